"""Rows as people write them: a list of lists, or of objects by feature name, to named tensors."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from models.errors import InvalidRequest
from models.oip.tensors import element_type, to_array
from models.oip.wire import check_keys, listed, misfit, parse, unknown
from models.types import Array, Signature, TensorSpec

PLACE = "$.instances"

_ANY = msgspec.json.Decoder()
_CELL = re.compile(re.escape(PLACE) + r"\[(\d+)\]\[(\d+)\]")


def read_instances(raw: bytes, signature: Signature) -> Mapping[str, Array]:
    """The inputs that `raw`, the JSON of `instances`, holds: one row or more.

    Raises:
        InvalidRequest: a row or a value does not fit, with its place.
    """
    try:
        rows = _decoder(signature).decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows = _read_objects(raw, signature)  # or finds what is wrong
    if not rows:
        raise InvalidRequest("expected at least one row", PLACE)
    inputs: dict[str, Array] = {}
    start = 0
    for spec in signature.inputs:
        stop = start + _width(spec)
        values = rows if len(signature.inputs) == 1 else [row[start:stop] for row in rows]
        inputs[spec.name] = to_array(values, spec, PLACE, start).reshape(-1, *spec.shape[1:])
        start = stop
    return inputs


def _width(spec: TensorSpec) -> int:
    """The columns that a tensor takes of a row."""
    return math.prod(spec.shape[1:])


@lru_cache(maxsize=256)
def _rows_type(signature: Signature) -> Any:
    row = tuple(element_type(spec) for spec in signature.inputs for _ in range(_width(spec)))
    return list[tuple[row]]  # type: ignore[valid-type]  # known at run time only


@lru_cache(maxsize=256)
def _decoder(signature: Signature) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_rows_type(signature))


def _read_objects(raw: bytes, signature: Signature) -> Any:
    """The rows where some are objects, each in the order of the features."""
    rows = parse(_ANY, raw, PLACE)
    if not isinstance(rows, list):
        raise InvalidRequest("expected a list of rows", PLACE)
    features = signature.features if _all_named(signature) else ()
    known = frozenset(features)
    ordered = [_ordered(row, features, known, index) if type(row) is dict else row for index, row in enumerate(rows)]
    if raw.count(b":") > len(features) * sum(type(row) is dict for row in rows):  # more keys than were kept
        check_keys(raw, PLACE)
    try:
        return msgspec.convert(ordered, _rows_type(signature))
    except msgspec.ValidationError as error:
        raise _by_name(misfit(error, PLACE), rows, features) from error


def _all_named(signature: Signature) -> bool:
    return len(set(signature.features)) == sum(map(_width, signature.inputs))


def _ordered(row: Mapping[str, Any], features: Sequence[str], known: frozenset[str], index: int) -> list[Any]:
    if row.keys() == known:
        return [row[feature] for feature in features]
    where = f"{PLACE}[{index}]"
    if not features:
        raise InvalidRequest("the columns have no names here: expected a list of values", where)
    for name in row:
        if name not in known:
            raise InvalidRequest(unknown("feature", name, features), where)
    missing = [feature for feature in features if feature not in row]
    raise InvalidRequest(f"missing features: {listed(missing)}", where)


def _by_name(misfit: InvalidRequest, rows: Sequence[Any], features: Sequence[str]) -> InvalidRequest:
    """`misfit` at the name by which an object has the value, not at its column."""
    cell = _CELL.fullmatch(misfit.where)
    if cell is None or type(rows[int(cell[1])]) is not dict:
        return misfit
    return InvalidRequest(str(misfit), f"{PLACE}[{cell[1]}][{features[int(cell[2])]!r}]")

"""Rows as people write them: a list of lists, or of objects by feature name, to named tensors."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from models.errors import InvalidRequest
from models.oip.pieces import SHORT, read_in_pieces
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
    return _reader(signature)(raw)


def read_bare(body: bytes, signature: Signature) -> Mapping[str, Array] | None:
    """The inputs of a short `body` with `instances`, lists of values, and nothing else, as most are; None of any other.

    Of a long one only pieces should be read at a time: see `models.oip.apart`.
    """
    if len(body) > SHORT or body.count(b":") != 1:  # if it is in a string it does not fit
        return None
    return _reader(signature).bare(body)


def _reader(signature: Signature) -> "Reader":
    reader = _READERS.get(id(signature))
    if reader is None or reader.signature is not signature:
        if len(_READERS) >= READERS:
            _READERS.clear()
        reader = _READERS[id(signature)] = Reader(signature)
    return reader


class Reader:
    """Reads rows of one signature: what does not depend on them is made ready once."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        rows = _rows_type(signature)
        self._decoder = msgspec.json.Decoder(rows)
        self._bare = msgspec.json.Decoder(msgspec.defstruct("Bare", [("instances", rows)], forbid_unknown_fields=True))
        self._columns: list[tuple[TensorSpec, slice]] = []
        start = 0
        for spec in signature.inputs:
            self._columns.append((spec, slice(start, start + _width(spec))))
            start += _width(spec)

    def __call__(self, raw: bytes) -> Mapping[str, Array]:
        if (tensors := self.long(raw)) is not None:
            return tensors
        try:
            rows = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            rows = _read_objects(raw, self.signature)  # or finds what is wrong
        if not rows:
            raise InvalidRequest("expected at least one row", PLACE)
        return self._tensors(rows)

    def long(self, raw: bytes) -> Mapping[str, Array] | None:
        """What a long list of lists holds, read piece by piece; None if it does not fit, for whatever reason."""
        pieces = read_in_pieces(raw, b"]", lambda piece: self._tensors(self._decoder.decode(piece)))
        if pieces is None:
            return None
        return {spec.name: np.concatenate([piece[spec.name] for piece in pieces]) for spec, _ in self._columns}

    def bare(self, body: bytes) -> Mapping[str, Array] | None:
        """What a short `body` of rows alone holds; None if it does not fit, for whatever reason."""
        try:
            read: Any = self._bare.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return self._tensors(read.instances) if read.instances else None

    def _tensors(self, rows: Sequence[Any]) -> Mapping[str, Array]:
        if len(self._columns) == 1:
            return {spec.name: _tensor(rows, spec, 0) for spec, _ in self._columns}
        return {spec.name: _tensor([row[part] for row in rows], spec, part.start) for spec, part in self._columns}


READERS = 256
_READERS: dict[int, Reader] = {}


def _tensor(rows: Sequence[Any], spec: TensorSpec, start: int) -> Array:
    array = to_array(rows, spec, PLACE, start)
    return array if len(spec.shape) == 2 else array.reshape(-1, *spec.shape[1:])


def _width(spec: TensorSpec) -> int:
    """The columns that a tensor takes of a row."""
    return math.prod(spec.shape[1:])


def _rows_type(signature: Signature) -> Any:
    row = tuple(element_type(spec) for spec in signature.inputs for _ in range(_width(spec)))
    return list[tuple[row]]  # type: ignore[valid-type]  # known at run time only


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

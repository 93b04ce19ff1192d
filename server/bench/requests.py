"""Rows as requests, in each protocol that a server speaks: bytes, made once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from models.oip.tensors import write_tensor
from models.rows import inputs_of
from models.types import TensorSpec
from server.bench import answers
from server.bench.target import Target

Protocol = Literal["v1", "v2", "v2-binary"]

READERS: Mapping[Protocol, answers.Reader] = {
    "v1": answers.read_v1,
    "v2": answers.read_v2,
    "v2-binary": answers.read_v2_binary,
}
MOST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Model:
    """What requests are made for; `specs` are its inputs, whose columns a row has in this order."""

    name: str
    specs: tuple[TensorSpec, ...]


def requests_of(
    target: Target,
    model: Model,
    rows: Sequence[Sequence[Any]],
    protocol: Protocol,
    *,
    rows_each: int = 1,
    parameters: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[bytes, ...]:
    """One request that begins with each of `rows`, and goes on with those that follow it.

    Raises:
        ValueError: no rows, or one with another number of values than the inputs have columns.
    """
    if not rows:
        raise ValueError("no rows")
    make = {"v1": _v1, "v2": _v2, "v2-binary": _v2_binary}[protocol]
    made: list[bytes] = []
    size = 0
    for chunk in _chunks(rows, rows_each):
        path, body, more = make(model, chunk, parameters or {})
        made.append(target.post(path, body, {**(headers or {}), **more}))
        size += len(made[-1])
        if size > MOST_BYTES:  # enough different ones
            break
    return tuple(made)


_Made = tuple[str, bytes, dict[str, str]]


def _chunks(rows: Sequence[Sequence[Any]], each: int) -> Iterator[list[Sequence[Any]]]:
    for start in range(len(rows)):
        yield [rows[(start + at) % len(rows)] for at in range(each)]


def _v1(model: Model, rows: Sequence[Sequence[Any]], parameters: Mapping[str, Any]) -> _Made:
    body: dict[str, Any] = {"instances": rows}
    if parameters:
        body["parameters"] = parameters
    return f"/v1/models/{quote(model.name, safe='')}:predict", msgspec.json.encode(body), {}


def _v2(model: Model, rows: Sequence[Sequence[Any]], parameters: Mapping[str, Any]) -> _Made:
    header, _ = _tensors(model, rows, parameters, binary=False)
    return _v2_path(model), header, {}


def _v2_binary(model: Model, rows: Sequence[Sequence[Any]], parameters: Mapping[str, Any]) -> _Made:
    header, raw = _tensors(model, rows, {**parameters, "binary_data_output": True}, binary=True)
    more = {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"}
    return _v2_path(model), header + raw, more


def _v2_path(model: Model) -> str:
    return f"/v2/models/{quote(model.name, safe='')}/infer"


def _tensors(
    model: Model, rows: Sequence[Sequence[Any]], parameters: Mapping[str, Any], *, binary: bool
) -> tuple[bytes, bytes]:
    """The JSON of a request, and the raw bytes that follow it."""
    arrays = inputs_of(rows, model.specs)
    written = [write_tensor(spec.name, spec.datatype, arrays[spec.name], binary=binary) for spec in model.specs]
    header: dict[str, Any] = {"inputs": [tensor for tensor, _ in written]}
    if parameters:
        header["parameters"] = parameters
    return msgspec.json.encode(header), b"".join(raw for _, raw in written)

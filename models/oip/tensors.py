"""One tensor on the wire: its JSON or raw bytes to an array, and back."""

import math
import re
import struct
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from models.errors import InvalidRequest
from models.oip.pieces import read_in_pieces, write_in_pieces
from models.oip.wire import parse, quoted
from models.types import DTYPES, Array, TensorSpec

BINARY_SIZE = "binary_data_size"

_Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # more than any body can hold, and short in a message
_FLOAT32 = float(2**128 - 2**103)  # from here on float32 rounds to infinity
_ELEMENTS: dict[str, Any] = {
    "BOOL": bool,
    "FP32": Annotated[float, Meta(gt=-_FLOAT32, lt=_FLOAT32)],
    "FP64": float,
    "BYTES": str,
    "UINT64": Annotated[int, Meta(ge=0)],  # msgspec knows no bound over int64; NumPy refuses what is larger
}
_OPENING = re.compile(rb"[\s\[]*")


class TensorParameters(msgspec.Struct, frozen=True):
    """What is read of a tensor's parameters; all else is the sender's own."""

    binary_data_size: _Size | None = None


class WireTensor(msgspec.Struct):
    """A tensor as the protocol writes it; `data` stays unparsed until its datatype is known to be right."""

    name: str
    shape: Annotated[list[_Size], Meta(max_length=8)]
    datatype: str
    parameters: TensorParameters = TensorParameters()
    data: msgspec.Raw = msgspec.Raw()


class Unread:
    """The raw bytes behind a JSON header, handed out in the order of the tensors."""

    def __init__(self, raw: memoryview) -> None:
        self._rest = raw

    def take(self, size: int, where: str) -> memoryview:
        """The next `size` bytes."""
        if size > len(self._rest):
            raise InvalidRequest(f"{size} bytes of binary data are announced, {len(self._rest)} are there", where)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def finish(self) -> None:
        """Everything must have been taken."""
        if self._rest:
            raise InvalidRequest(f"{len(self._rest)} bytes of binary data belong to no tensor")


def read_tensor(tensor: WireTensor, spec: TensorSpec, unread: Unread, where: str) -> Array:
    """The array of `tensor`, of the datatype and shape that `spec` asks for. It may be read-only.

    Raises:
        InvalidRequest: it is anything else; also for NaN, infinities and nulls that `spec` does not allow.
    """
    _check_kind(tensor, spec, where)
    size = tensor.parameters.binary_data_size
    if size is None:
        return _read_json(tensor, spec, f"{where}.data")
    if len(tensor.data):
        raise InvalidRequest("a tensor has either data or binary_data_size, not both", where)
    return _read_binary(tensor, spec, unread.take(size, f"{where}.parameters.{BINARY_SIZE}"), where)


def _check_kind(tensor: WireTensor, spec: TensorSpec, where: str) -> None:
    if tensor.datatype != spec.datatype:
        raise InvalidRequest(f"expected datatype {spec.datatype}, got {quoted(tensor.datatype)}", f"{where}.datatype")
    wanted = spec.shape
    fits = len(tensor.shape) == len(wanted) and all(
        size > 0 if want < 0 else size == want for size, want in zip(tensor.shape, wanted, strict=True)
    )
    if not fits:
        raise InvalidRequest(f"expected shape {list(wanted)}, got {tensor.shape}", f"{where}.shape")


def _read_binary(tensor: WireTensor, spec: TensorSpec, raw: memoryview, where: str) -> Array:
    count = math.prod(tensor.shape)
    if spec.datatype == "BYTES":
        return read_strings(raw, count, where).reshape(tensor.shape)
    if len(raw) != count * spec.dtype.itemsize:
        raise InvalidRequest(f"{spec.datatype} of shape {tensor.shape} does not take {len(raw)} bytes", where)
    array = np.frombuffer(raw, spec.dtype)
    if not array.flags.aligned:  # a header may have any length, and a runtime reads the memory as it lies
        array = array.copy()
    _check_values(array, spec, f"{where}.data")
    return array.reshape(tensor.shape)


def _check_values(flat: Array, spec: TensorSpec, where: str) -> None:
    """Refuse what JSON could not have said. NaN is a missing value where `spec` allows one."""
    expected = "a finite number"
    if flat.dtype.kind == "f":
        bad = np.isinf(flat) if spec.nullable else ~np.isfinite(flat)
    elif flat.dtype.kind == "b":
        expected, flat = "a byte of 0 or 1", flat.view(np.uint8)
        bad = flat > 1
    else:
        return
    if bad.any():
        index = int(bad.argmax())
        raise InvalidRequest(f"expected {expected}, got {flat[index]}", f"{where}[{index}]")


def read_strings(raw: memoryview, count: int, where: str) -> Array:
    """Each string is its length in four little-endian bytes, then UTF-8."""
    data = bytes(raw)
    strings: list[str] = []
    at = 0
    while at < len(data) and len(strings) < count:
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        if at > len(data):
            raise InvalidRequest("the bytes end within a string", f"{where}.data[{len(strings)}]")
        try:
            strings.append(data[start:at].decode())
        except UnicodeDecodeError as error:
            raise InvalidRequest("a string is not UTF-8", f"{where}.data[{len(strings)}]") from error
    if at != len(data) or len(strings) != count:
        raise InvalidRequest(f"{len(data)} bytes do not hold {count} strings", where)
    return np.array(strings, dtype=object)


def _read_json(tensor: WireTensor, spec: TensorSpec, where: str) -> Array:
    """`data` is flat in row order, or nested as its shape."""
    if not len(tensor.data):
        raise InvalidRequest("the tensor has no data", where)
    depth = _depth(tensor.data)
    if depth not in (1, len(tensor.shape)):
        raise InvalidRequest(f"expected a flat list, or one nested as the shape {tensor.shape}", where)
    shape, decoder = [math.prod(tensor.shape)] if depth == 1 else tensor.shape, _decoder(element_type(spec), depth)
    pieces = read_in_pieces(
        bytes(tensor.data), b"]" * (depth - 1), lambda piece: to_array(decoder.decode(piece), spec, where)
    )
    if pieces is not None and (array := _together(pieces, shape)) is not None:
        return array.reshape(tensor.shape)
    values = parse(decoder, tensor.data, where)
    _check_lengths(values, shape, where)
    return to_array(values, spec, where).reshape(tensor.shape)


def _together(pieces: Sequence[Array], shape: Sequence[int]) -> Array | None:
    """All of `pieces`, if that has the `shape`."""
    if len({piece.shape[1:] for piece in pieces}) > 1:
        return None
    array = np.concatenate(pieces)
    return array if array.shape == tuple(shape) else None


def _depth(data: msgspec.Raw) -> int:
    opening = _OPENING.match(data)
    return opening.group().count(b"[") if opening else 0


def _check_lengths(values: Any, shape: list[int], where: str) -> None:
    size, *inner = shape
    if len(values) != size:
        raise InvalidRequest(f"expected {size} values, got {len(values)}", where)
    if inner:
        for index, item in enumerate(values):
            _check_lengths(item, inner, f"{where}[{index}]")


@cache
def _decoder(kind: Any, depth: int) -> msgspec.json.Decoder[Any]:
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def element_type(spec: TensorSpec) -> Any:
    """What msgspec has to expect for one element of `spec`: only what its datatype can hold; null for a missing one."""
    if spec.datatype in _ELEMENTS:
        kind = _ELEMENTS[spec.datatype]
    else:
        limits = np.iinfo(spec.dtype)
        kind = Annotated[int, Meta(ge=int(limits.min), le=int(limits.max))]
    return kind | None if spec.nullable and spec.dtype.kind == "f" else kind


def to_array(values: Any, spec: TensorSpec, where: str, first: int = 0) -> Array:
    """Nested lists of equal length, of the `element_type` of `spec`, as an array; null becomes NaN.

    `first`: the column of the data at which the lists begin.

    Raises:
        InvalidRequest: a number is over UINT64, the one bound that an `element_type` does not know.
    """
    if spec.dtype.kind == "f":
        return np.array(values, np.float64).astype(spec.dtype, copy=False)  # faster than directly
    try:
        return np.array(values, spec.dtype)
    except OverflowError as error:
        *place, last = np.argwhere(np.array(values, object) > np.iinfo(spec.dtype).max)[0].tolist()
        at = "".join(f"[{index}]" for index in (*place, first + last))
        raise InvalidRequest(f"out of range for {spec.datatype}", where + at) from error


def write_tensor(name: str, datatype: str, array: Array, *, binary: bool) -> tuple[dict[str, Any], bytes]:
    """A tensor for the JSON header, and its raw bytes (empty when it is all in the JSON)."""
    array = array.astype(DTYPES[datatype], copy=False)
    tensor: dict[str, Any] = {"name": name, "shape": array.shape, "datatype": datatype}
    if not binary:
        return tensor | {"data": write_in_pieces(array.reshape(-1))}, b""
    raw = write_strings(array) if datatype == "BYTES" else array.tobytes()
    return tensor | {"parameters": {BINARY_SIZE: len(raw)}}, raw


def write_strings(array: Array) -> bytes:
    encoded = [str(value).encode() for value in array.reshape(-1)]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)

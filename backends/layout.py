"""How tensors lie in the bytes of a call between two processes that both know the signature: raw, in its order. Pure.

    sizes      u32 each: the rows; of each tensor the other axes that its spec leaves open, and the bytes of strings
    tensors    one after the other; BYTES are, for each string, its length in four bytes and then UTF-8
    tail       whatever else is to be said

The sizes, and each tensor, are padded to a multiple of eight bytes, so that numbers lie where they should.
"""

import math
from collections.abc import Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from models.errors import InvalidRequest
from models.oip.tensors import read_strings, write_strings
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, TensorSpec

ALIGNED = 8
COPIED = 64 << 10  # bytes: up to here a copy costs less than what it takes to avoid it

Buffer = bytes | memoryview


def inputs_of(signature: Signature) -> "Layout":
    """How a request lies in a call."""
    return Layout(signature.inputs)


def outputs_of(signature: Signature) -> "Layout":
    """How a canonical answer lies in a call; see `models.answers`."""
    if signature.task == "classification":
        return Layout((TensorSpec(PROBABILITIES, "FP64", (-1, len(signature.labels))),))
    if signature.task == "regression":
        return Layout((TensorSpec(PREDICTIONS, "FP64", (-1,)),))
    return Layout(signature.outputs)


class Layout:
    """Tensors of `specs` to bytes, and back."""

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self._tensors = tuple(map(_tensor, specs))
        count = 1 + sum(tensor.sizes for tensor in self._tensors)
        self._sizes = Struct(f"<{count}I{-4 * count % ALIGNED}x")

    def write(self, arrays: Mapping[str, Array], tail: bytes = b"") -> list[Buffer]:
        """`arrays` with n rows each, of dtypes that can be cast to those of the specs, and `tail`."""
        sizes: list[int] = []
        parts: list[Buffer] = [b""]  # where the sizes will be
        for name, dtype, axes, _, open_sizes in self._tensors:
            array = arrays[name]
            raw = _raw(array, dtype)
            parts.append(raw)
            if padding := -len(raw) % ALIGNED:
                parts.append(bytes(padding))
            if open_sizes:
                sizes += [size for size, want in zip(array.shape[1:], axes, strict=True) if want < 0]
                sizes += [len(raw)] if dtype.hasobject else []
        parts[0] = self._sizes.pack(len(array), *sizes)
        parts.append(tail)
        return parts

    def read(self, payload: memoryview, *, keep: bool = False) -> tuple[dict[str, Array], memoryview]:
        """The tensors and the tail.

        The tensors are views of `payload`; but `keep` them, and short ones are copied: what the payload is a part of
        may be much longer.

        Raises:
            ValueError: that is not how tensors of these specs lie there.
        """
        if len(payload) < self._sizes.size:
            raise ValueError(f"{len(payload)} bytes are too few for {self._sizes.size} of sizes")
        rows, *rest = self._sizes.unpack_from(payload)
        copied = keep and len(payload) <= COPIED
        at = self._sizes.size
        arrays: dict[str, Array] = {}
        for name, dtype, axes, row_bytes, open_sizes in self._tensors:
            if open_sizes:
                axes = tuple(rest.pop(0) if size < 0 else size for size in axes)
            shape = (rows, *axes)
            if dtype.hasobject:
                length = rest.pop(0)
                arrays[name] = _strings(payload[at : at + length], shape, name)
            else:
                length = rows * (math.prod(axes) * dtype.itemsize if open_sizes else row_bytes)
                array = np.frombuffer(payload, dtype, length // dtype.itemsize, at).reshape(shape)
                arrays[name] = array.copy() if copied or not array.flags.aligned else array
            at += length + -length % ALIGNED
        return arrays, payload[at:]


class _Tensor(NamedTuple):
    """A spec, worked out: the axes after the rows, the bytes of a row where it is known, how many sizes are not."""

    name: str
    dtype: np.dtype[Any]
    axes: tuple[int, ...]
    row_bytes: int
    sizes: int


def _tensor(spec: TensorSpec) -> _Tensor:
    axes = spec.shape[1:]
    sizes = axes.count(-1) + (spec.datatype == "BYTES")
    return _Tensor(spec.name, spec.dtype, axes, 0 if sizes else math.prod(axes) * spec.dtype.itemsize, sizes)


def _raw(array: Array, dtype: np.dtype[Any]) -> Buffer:
    if array.dtype is not dtype:
        array = array.astype(dtype, copy=False)
    if dtype.hasobject:
        return write_strings(array)
    return array.tobytes() if array.nbytes <= COPIED else array.reshape(-1).view(np.uint8).data


def _strings(raw: memoryview, shape: tuple[int, ...], name: str) -> Array:
    try:
        return read_strings(raw, math.prod(shape), name).reshape(shape)
    except InvalidRequest as error:
        raise ValueError(f"{error.where}: {error}") from error

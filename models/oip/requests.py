"""A request of the Open Inference Protocol: bytes to inputs, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from models.errors import InvalidRequest
from models.oip.apart import Apart, read_apart
from models.oip.tensors import Unread, WireTensor, read_tensor, write_tensor
from models.oip.wire import check_envelope, listed, parse, unknown
from models.types import Array, InferRequest, Signature, TensorSpec


class OutputParameters(msgspec.Struct, frozen=True):
    """What is read of an output's parameters; all else is the sender's own."""

    binary_data: bool | None = None


class WireOutput(msgspec.Struct):
    """An output that the caller wants."""

    name: str
    parameters: OutputParameters = OutputParameters()


class WireRequest(msgspec.Struct):
    """The JSON of a request."""

    inputs: list[WireTensor]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[WireOutput] = []


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a request asks: `wanted` are the outputs by name, each with whether it is wanted as raw bytes."""

    inputs: dict[str, Array]
    id: str
    parameters: dict[str, Any]
    wanted: dict[str, bool]


_DECODER = msgspec.json.Decoder(WireRequest)
_HEADER = msgspec.json.Encoder()


def decode_request(body: bytes, header_length: int | None, signature: Signature) -> Decoded:
    """The request in `body`, checked against `signature`.

    Raises:
        InvalidRequest: it does not fit, with the place.
    """
    header, unread = split(body, header_length)
    return read_apart(body if header_length is None else header, "data", partial(_decoded, unread, signature))


def _decoded(unread: Unread, signature: Signature, apart: Apart) -> Decoded:
    wire = parse(_DECODER, apart.envelope)
    written = [tensor.data for tensor in wire.inputs]
    for tensor in wire.inputs:
        tensor.data = apart.list_of(tensor.data)
    inputs = _read_inputs(wire.inputs, signature.inputs, unread)
    unread.finish()
    check_envelope(apart.envelope, written)
    return Decoded(inputs, wire.id, wire.parameters, _wanted(wire, signature))


def split(body: bytes, header_length: int | None) -> tuple[memoryview, Unread]:
    """The JSON of a body, and the raw bytes behind it."""
    view = memoryview(body)
    if header_length is None:
        return view, Unread(view[:0])
    if not 0 <= header_length <= len(body):
        raise InvalidRequest(f"the JSON header is said to be {header_length} bytes long, the body has {len(body)}")
    return view[:header_length], Unread(view[header_length:])


def _read_inputs(tensors: list[WireTensor], specs: Sequence[TensorSpec], unread: Unread) -> dict[str, Array]:
    by_name = {spec.name: spec for spec in specs}
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(tensors):
        where = f"$.inputs[{index}]"
        if tensor.name not in by_name:
            raise InvalidRequest(unknown("input", tensor.name, by_name), f"{where}.name")
        if tensor.name in inputs:
            raise InvalidRequest(f"input {tensor.name!r} comes twice", f"{where}.name")
        inputs[tensor.name] = read_tensor(tensor, by_name[tensor.name], unread, where)
    if missing := [name for name in by_name if name not in inputs]:
        raise InvalidRequest(f"missing input: {listed(missing)}", "$.inputs")
    if len(counts := {len(array) for array in inputs.values()}) > 1:
        raise InvalidRequest(f"all inputs need the same number of rows, got {sorted(counts)[:8]}", "$.inputs")
    return {name: inputs[name] for name in by_name}  # in our order, which is what they are passed on in


def _wanted(wire: WireRequest, signature: Signature) -> dict[str, bool]:
    names = [spec.name for spec in signature.outputs]
    everything = wire.parameters.get("binary_data_output", False)
    if type(everything) is not bool:
        raise InvalidRequest("expected true or false", "$.parameters.binary_data_output")
    if not wire.outputs:
        return dict.fromkeys(names, everything)
    wanted: dict[str, bool] = {}
    for index, output in enumerate(wire.outputs):
        where = f"$.outputs[{index}].name"
        if output.name not in names:
            raise InvalidRequest(unknown("output", output.name, names), where)
        if output.name in wanted:
            raise InvalidRequest(f"output {output.name!r} comes twice", where)
        binary = output.parameters.binary_data
        wanted[output.name] = everything if binary is None else binary
    return wanted


def encode_request(
    request: InferRequest, specs: Sequence[TensorSpec], wanted: Sequence[str], *, binary: bool = True
) -> tuple[bytes, int | None]:
    """A body that asks for the outputs `wanted`, and the length of its JSON header if raw bytes follow it.

    `specs` are the inputs as the receiver names them, in the order of `request.inputs`.
    """
    written = [
        write_tensor(spec.name, spec.datatype, array, binary=binary)
        for spec, array in zip(specs, request.inputs.values(), strict=True)
    ]
    outputs = [{"name": name, "parameters": {"binary_data": binary}} for name in wanted]
    header = _HEADER.encode({"id": request.id, "inputs": [tensor for tensor, _ in written], "outputs": outputs})
    return (header + b"".join(raw for _, raw in written), len(header)) if binary else (header, None)

"""An answer of the Open Inference Protocol: outputs to bytes, and back."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import numpy as np

from models.errors import InvalidAnswer, InvalidRequest
from models.oip.requests import split
from models.oip.tensors import Unread, WireTensor, read_tensor, write_tensor
from models.oip.wire import listed, parse, quoted
from models.types import DTYPES, PREDICTIONS, PROBABILITIES, Array, InferResponse, Signature, TensorSpec


class WireResponse(msgspec.Struct):
    """The JSON of an answer."""

    model_name: str
    outputs: list[WireTensor]
    id: str = ""


_DECODER = msgspec.json.Decoder(WireResponse)
_HEADER = msgspec.json.Encoder()


def encode_response(
    response: InferResponse,
    signature: Signature,
    wanted: Mapping[str, bool],
    about: Mapping[str, Any],
) -> tuple[bytes, int | None]:
    """A body with the outputs `wanted`, and the length of its JSON header if raw bytes follow it.

    `about` holds what stands beside the outputs: model_name, model_version, id, parameters.
    """
    specs = {spec.name: spec for spec in signature.outputs}
    written = [
        write_tensor(name, specs[name].datatype, output_array(name, response, signature), binary=binary)
        for name, binary in wanted.items()
    ]
    header = _HEADER.encode({**about, "outputs": [tensor for tensor, _ in written]})
    if not any(wanted.values()):
        return header, None
    return header + b"".join(raw for _, raw in written), len(header)


def output_array(name: str, response: InferResponse, signature: Signature) -> Array:
    """One output of `response`; a classifier's predictions are made here, from its probabilities."""
    if name == PREDICTIONS and signature.labels:
        labels: Array = np.array(signature.labels, dtype=object)
        chosen: Array = labels[response.outputs[PROBABILITIES].argmax(axis=1)]
        return chosen
    return response.outputs[name]


def decode_response(body: bytes, header_length: int | None, model: str, names: Collection[str]) -> dict[str, Array]:
    """The outputs `names` of an answer that must come from `model`, of whatever datatype they are.

    Raises:
        InvalidAnswer: the answer is malformed, of another model, or lacks an output.
    """
    try:
        header, unread = split(body, header_length)
        return _read_outputs(parse(_DECODER, header), model, names, unread)
    except InvalidRequest as error:
        raise InvalidAnswer(f"{error} ({error.where})") from error


def _read_outputs(wire: WireResponse, model: str, names: Collection[str], unread: Unread) -> dict[str, Array]:
    if wire.model_name != model:
        raise InvalidAnswer(f"the answer is from model {quoted(wire.model_name)}, asked was {model!r}")
    arrays: dict[str, Array] = {}
    for index, tensor in enumerate(wire.outputs):
        if tensor.name not in names:
            raise InvalidAnswer(f"output {quoted(tensor.name)} was not asked for")
        if tensor.name in arrays:
            raise InvalidAnswer(f"output {tensor.name!r} comes twice")
        if tensor.datatype not in DTYPES:
            raise InvalidAnswer(f"output {tensor.name!r} has the unknown datatype {quoted(tensor.datatype)}")
        spec = TensorSpec(tensor.name, tensor.datatype, (-1,) * len(tensor.shape))
        arrays[tensor.name] = read_tensor(tensor, spec, unread, f"$.outputs[{index}]")
    unread.finish()
    if missing := sorted(set(names) - arrays.keys()):
        raise InvalidAnswer(f"the answer lacks output {listed(missing)}")
    return arrays

"""An answer of the Open Inference Protocol: outputs to bytes, and back."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

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
    parameters: Any = None  # everyone's own; of another Chorus the outcome


class Answer(NamedTuple):
    """The outputs by name; `degraded` if the server, another Chorus, says so."""

    outputs: dict[str, Array]
    degraded: bool


_DECODER = msgspec.json.Decoder(WireResponse)
_HEADER = msgspec.json.Encoder()


def encode_response(
    response: InferResponse,
    signature: Signature,
    wanted: Mapping[str, bool],
    about: Mapping[str, Any],
    more: Sequence[tuple[TensorSpec, Array]] = (),
) -> tuple[bytes, int | None]:
    """A body with the outputs `wanted`, and the length of its JSON header if raw bytes follow it.

    `about` holds what stands beside the outputs: model_name, model_version, id, parameters. `more` are outputs that the
    signature does not have; they are raw bytes if any of the others is.
    """
    binary = any(wanted.values())
    specs = {spec.name: spec for spec in signature.outputs}
    written = [
        write_tensor(name, specs[name].datatype, output_array(name, response, signature), binary=raw)
        for name, raw in wanted.items()
    ]
    written += [write_tensor(spec.name, spec.datatype, array, binary=binary) for spec, array in more]
    header = _HEADER.encode({**about, "outputs": [tensor for tensor, _ in written]})
    if not binary:
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
    """The outputs of `decode_answer`, and nothing else."""
    return decode_answer(body, header_length, model, names).outputs


def decode_answer(
    body: bytes, header_length: int | None, model: str, names: Collection[str], *, asked: str = ""
) -> Answer:
    """The outputs `names` of an answer that must come from `model`, of whatever datatype they are.

    `asked` is the id of the request: a server that sends an answer too many would shift all that follow on its
    connection by one, so an answer that bears another id is refused.

    Raises:
        InvalidAnswer: the answer is malformed, of another model or to another request, or lacks an output.
    """
    try:
        header, unread = split(body, header_length)
        wire = parse(_DECODER, header)
        if asked and wire.id and wire.id != asked:
            raise InvalidAnswer(f"the answer is to request {quoted(wire.id)}, not to {asked!r}")
        return Answer(_read_outputs(wire, model, names, unread), _degraded(wire.parameters))
    except InvalidRequest as error:
        raise InvalidAnswer(f"{error} ({error.where})") from error


def _degraded(parameters: Any) -> bool:
    return isinstance(parameters, dict) and parameters.get("degraded") is True


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

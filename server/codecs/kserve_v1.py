"""KServe's first protocol, which `POST /predict` speaks too: `instances` in, `predictions` out.

Source: https://kserve.github.io/website/latest/modelserving/data_plane/v1_protocol/
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from backends.drill import NO_DRILLS
from models.oip.apart import Apart, read_apart
from models.oip.pieces import write_in_pieces
from models.oip.wire import check_envelope, parse
from models.types import PREDICTIONS, PROBABILITIES, Array, InferRequest, InferResponse, Signature
from server.codecs.instances import read_bare, read_instances
from server.codecs.outcome import SharedMembers, members_of, outcome, parts_of
from server.codecs.parameters import Asked, read_parameters


class WireRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body; `instances` stays unparsed until the signature says what they are."""

    instances: msgspec.Raw
    parameters: dict[str, Any] = {}


_DECODER = msgspec.json.Decoder(WireRequest)
_ENCODER = msgspec.json.Encoder()
_MEMBERS = SharedMembers()


def decode(
    body: bytes, signature: Signature, request_id: str, trace: str, extra: Collection[str] = ()
) -> tuple[InferRequest, float | None]:
    """The request in `body`, and its timeout in seconds if it names one. `extra`: parameters that are not ours.

    Raises:
        InvalidRequest: with the place.
    """
    bare = read_bare(body, signature)
    if bare is not None:
        return InferRequest(bare, request_id, trace=trace), None

    def read(apart: Apart) -> tuple[Asked, Mapping[str, Array]]:
        wire = parse(_DECODER, apart.envelope)
        asked = read_parameters(wire.parameters, extra)
        inputs = read_instances(bytes(apart.list_of(wire.instances)), signature)
        check_envelope(apart.envelope, (wire.instances,))
        return asked, inputs

    asked, inputs = read_apart(body, "instances", read)
    return InferRequest(inputs, request_id, asked.parameters, trace, extra=asked.extra), asked.timeout


def encode(
    response: InferResponse,
    signature: Signature,
    model: str,
    elapsed: float,
    *,
    explain: bool,
    drills: Mapping[str, str] = NO_DRILLS,
) -> bytes:
    """The body of an answer; `elapsed` in seconds. `drills`: those that had a hand in it."""
    report = response.report
    answer = _answer(response, signature)
    if report.agreement is not None and report.entropy is not None:
        answer["agreement"] = write_in_pieces(report.agreement)
        answer["entropy"] = write_in_pieces(report.entropy)
    if report.stages is not None:
        answer["stages"] = report.stages.tolist()
    answer["outcome"] = outcome(response, model, elapsed)
    if drills:
        answer["outcome"]["drills"] = drills
    if report.members:
        answer["members"] = members_of(report, explain=True) if explain else _MEMBERS(report)
    if report.parts:
        answer["parts"] = parts_of(report)
    return _ENCODER.encode(answer)


def _answer(response: InferResponse, signature: Signature) -> dict[str, Any]:
    if signature.task == "regression":
        return {"predictions": write_in_pieces(response.outputs[PREDICTIONS])}
    if not signature.labels:
        return {"predictions": _rows_of(response.outputs)}
    probabilities, labels = response.outputs[PROBABILITIES], signature.labels
    return {
        "predictions": write_in_pieces(probabilities.argmax(axis=1), lambda part: [labels[at] for at in part.tolist()]),
        "labels": labels,
        "probabilities": write_in_pieces(probabilities),
    }


def _rows_of(outputs: Mapping[str, Array]) -> list[Any]:
    """Row by row: a value, a list, or, of several outputs, an object with their names, as in TensorFlow Serving."""
    columns = {name: array.tolist() for name, array in outputs.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

"""The Open Inference Protocol on our own surface: what `models.oip` leaves open."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from backends.drill import NO_DRILLS
from models.oip.requests import decode_request
from models.oip.responses import encode_response, output_array
from models.oip.wire import misfit
from models.types import (
    PROBABILITIES,
    Array,
    InferRequest,
    InferResponse,
    Report,
    Signature,
    TensorSpec,
    classifier,
    regressor,
)
from server.codecs.outcome import facts, fate_of, milliseconds
from server.codecs.parameters import THEIRS, read_parameters, seconds_of, smaller


@dataclass(frozen=True, slots=True)
class Call:
    """A request, its timeout in seconds if it names one, the outputs wanted (whether as raw bytes), the caller's id."""

    request: InferRequest
    timeout: float | None
    wanted: Mapping[str, bool]
    id: str


def decode(
    body: bytes,
    header_length: int | None,
    signature: Signature,
    request_id: str,
    trace: str,
    extra: Collection[str] = (),
) -> Call:
    """The call in `body`. `extra`: parameters that are not ours.

    Raises:
        InvalidRequest: with the place.
    """
    decoded = decode_request(body, header_length, signature)
    given = {name: value for name, value in decoded.parameters.items() if name not in THEIRS}
    micros = given.pop("timeout", None)
    asked = read_parameters(given, extra)
    timeout = smaller(asked.timeout, _triton_timeout(micros, "$.parameters.timeout"))
    request = InferRequest(decoded.inputs, request_id, asked.parameters, trace, extra=asked.extra)
    return Call(request, timeout, decoded.wanted, decoded.id or request_id)


def _triton_timeout(micros: Any, where: str) -> float | None:
    """Seconds, of what Triton's clients write in microseconds."""
    try:
        return seconds_of(msgspec.convert(micros, float | None), 1e-6, where)
    except msgspec.ValidationError as error:
        raise misfit(error, where) from error


def encode(
    response: InferResponse,
    signature: Signature,
    call: Call,
    *,
    model: str,
    version: str,
    elapsed: float,
    drills: Mapping[str, str] = NO_DRILLS,
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON header if raw bytes follow it; `elapsed` in seconds.

    `drills`: those that had a hand in it.
    """
    about: dict[str, Any] = {"model_name": model, "model_version": version, "id": call.id}
    if response.report.is_composite or response.report.degraded or drills:
        about["parameters"] = flattened(response.report, elapsed)
        about["parameters"] |= {f"drills.{name}": words for name, words in drills.items()}
    more = said_by_members(response.report) if call.request.parameters.explain else ()
    return encode_response(response, signature, call.wanted, about, more)


def said_by_members(report: Report) -> list[tuple[TensorSpec, Array]]:
    """What each member that answered said, as outputs `members.NAME.predictions` and `members.NAME.probabilities`.

    They stand in no metadata: only a request with `explain` gets them, whatever outputs it lists. What a cascade asked
    about some rows only is left out, for there is no null here.
    """
    outputs: list[tuple[TensorSpec, Array]] = []
    signature = classifier((), report.labels) if report.labels else regressor(())
    for name in report.members:
        if (scores := report.said(name)) is None or np.isnan(scores).any():
            continue
        if signature.labels:
            own = InferResponse({PROBABILITIES: scores})
            arrays = {spec: output_array(spec.name, own, signature) for spec in signature.outputs}
        else:
            arrays = {signature.outputs[0]: scores[:, 0]}
        outputs += [(replace(spec, name=f"members.{name}.{spec.name}"), array) for spec, array in arrays.items()]
    return outputs


def flattened(report: Report, elapsed: float) -> dict[str, Any]:
    """The outcome as the protocol's parameters, which know no nesting."""
    flat = facts(report, elapsed)
    if report.disagreed is not None:
        flat["disagreed"] = listed(report.disagreed)
    if report.stages is not None:
        flat["stages"] = listed(report.stages.tolist())
    for name, said in report.members.items():
        flat[f"members.{name}.fate"] = said.fate
        if said.reason:
            flat[f"members.{name}.reason"] = said.reason
        if said.elapsed is not None:
            flat[f"members.{name}.elapsed_ms"] = milliseconds(said.elapsed)
    return flat | dict(_flat_parts(report, with_stages=not report.members))


def listed(numbers: Iterable[int]) -> str:
    """As one parameter, which cannot be a list."""
    return ",".join(map(str, numbers))


def _flat_parts(report: Report, before: str = "", *, with_stages: bool) -> Iterator[tuple[str, Any]]:
    """`with_stages`: those of a cascade are not told of the report itself."""
    for part in report.parts:
        name = f"{before}parts.{part.name}"
        for key, value in {**fate_of(part), **part.facts}.items():
            if isinstance(value, str | int | float):
                yield f"{name}.{key}", value
        if part.rows is not None:
            yield f"{name}.rows", listed(part.rows)
        if part.report is not None:
            if with_stages and part.report.stages is not None:
                yield f"{name}.stages", listed(part.report.stages.tolist())
            yield from _flat_parts(part.report, f"{name}.", with_stages=with_stages)

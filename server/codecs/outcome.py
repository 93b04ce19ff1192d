"""How an answer came about, as JSON has it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from models.types import Array, InferResponse, MemberReport, Report, Signature


def outcome(response: InferResponse, model: str, elapsed: float) -> dict[str, Any]:
    """The outcome of one request; `elapsed` in seconds."""
    shown: dict[str, Any] = {"model": model, "request_id": response.id, **facts(response.report, elapsed)}
    if response.report.disagreed is not None:
        shown["disagreed"] = response.report.disagreed
    return shown


def facts(report: Report, elapsed: float) -> dict[str, Any]:
    """What every protocol says of an outcome; `elapsed` in seconds."""
    return {
        "status": report.status,
        "degraded": report.degraded,
        "asked": report.asked,
        "answered": report.answered,
        "quorum": report.quorum,
        "elapsed_ms": milliseconds(elapsed),
    }


def members_of(report: Report, signature: Signature | None = None) -> dict[str, Any]:
    """What became of each member; with `signature`, the ensemble's, also what each said."""
    shown = {name: _member(said) for name, said in report.members.items()}
    if signature is not None:
        for name, member in shown.items():
            if (scores := report.said(name)) is not None:
                member |= _said(scores, signature)
    return shown


class SharedMembers:
    """What became of each member, as JSON: made once for all the requests that have left with the same batch."""

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, MemberReport], msgspec.Raw] | None = None
        self._encoder = msgspec.json.Encoder()

    def __call__(self, report: Report) -> msgspec.Raw:
        if self._last is None or self._last[0] is not report.members:
            self._last = (report.members, msgspec.Raw(self._encoder.encode(members_of(report))))
        return self._last[1]


def _member(said: MemberReport) -> dict[str, Any]:
    shown: dict[str, Any] = {"fate": said.fate}
    if said.reason:
        shown["reason"] = said.reason
    shown["elapsed_ms"] = None if said.elapsed is None else milliseconds(said.elapsed)
    shown["weight"] = said.weight
    shown["version"] = said.version
    return shown


def _said(scores: Array, signature: Signature) -> dict[str, Any]:
    if not signature.labels:
        return {"predictions": scores[:, 0].tolist()}
    best = scores.argmax(axis=1).tolist()
    return {"predictions": [signature.labels[at] for at in best], "probabilities": scores.tolist()}


def milliseconds(seconds: float) -> float:
    """To the microsecond."""
    return round(seconds * 1e3, 3)

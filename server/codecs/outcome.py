"""How an answer came about, as JSON has it."""

from typing import Any

from models.types import InferResponse, MemberReport, Report, Signature


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


def member(said: MemberReport, signature: Signature | None = None) -> dict[str, Any]:
    """What became of one member; with `signature`, the ensemble's, also what it said."""
    shown: dict[str, Any] = {"fate": said.fate}
    if said.reason:
        shown["reason"] = said.reason
    shown["elapsed_ms"] = None if said.elapsed is None else milliseconds(said.elapsed)
    shown["weight"] = said.weight
    shown["version"] = said.version
    if signature is not None and said.scores is not None:
        shown |= _said(said, signature)
    return shown


def _said(said: MemberReport, signature: Signature) -> dict[str, Any]:
    assert said.scores is not None  # noqa: S101 - narrowed by the caller
    if not signature.labels:
        return {"predictions": said.scores[:, 0].tolist()}
    best = said.scores.argmax(axis=1).tolist()
    return {"predictions": [signature.labels[at] for at in best], "probabilities": said.scores.tolist()}


def milliseconds(seconds: float) -> float:
    """To the microsecond."""
    return round(seconds * 1e3, 3)

"""How an answer came about, as JSON has it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from models.types import Array, InferResponse, MemberReport, PartReport, Report


def outcome(response: InferResponse, model: str, elapsed: float) -> dict[str, Any]:
    """The outcome of one request; `elapsed` in seconds."""
    shown: dict[str, Any] = {"model": model, "request_id": response.id, **facts(response.report, elapsed)}
    if response.report.disagreed is not None:
        shown["disagreed"] = response.report.disagreed
    return shown


def facts(report: Report, elapsed: float) -> dict[str, Any]:
    """What every protocol says of an outcome; `elapsed` in seconds."""
    shown = {
        "status": report.status,
        "degraded": report.degraded,
        "asked": report.asked,
        "answered": report.answered,
        "quorum": report.quorum,
        "elapsed_ms": milliseconds(elapsed),
    }
    return shown if report.stages is None else shown | {"stage": last_stage(report.stages)}


def members_of(report: Report, *, explain: bool = False) -> dict[str, Any]:
    """What became of each member; to `explain`, also what each said."""
    shown = {name: _member(said) for name, said in report.members.items()}
    if explain:
        for name, member in shown.items():
            if (scores := report.said(name)) is not None:
                member |= in_words(scores, report.labels)
    return shown


def parts_of(report: Report) -> list[dict[str, Any]]:
    """What became of each part of a composite, and under it of its own.

    Members that are not those of the report itself, and the stages that decided, stand with the part that asked them.
    """
    return [_part(said, with_members=not report.members) for said in report.parts]


def _part(said: PartReport, *, with_members: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": said.name, **fate_of(said), "version": said.version}
    if said.rows is not None:
        shown["rows"] = said.rows
    shown |= said.facts
    if said.report is not None:
        if said.report.parts:
            shown["parts"] = [_part(one, with_members=with_members) for one in said.report.parts]
        elif said.report.members and with_members:
            shown["members"] = members_of(said.report)
            if said.report.stages is not None:
                shown["stages"] = said.report.stages.tolist()
    return shown


def fate_of(said: MemberReport | PartReport) -> dict[str, Any]:
    """The fate of a member or a part, and how long it took."""
    shown: dict[str, Any] = {"fate": said.fate}
    if said.reason:
        shown["reason"] = said.reason
    shown["elapsed_ms"] = None if said.elapsed is None else milliseconds(said.elapsed)
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
    shown = fate_of(said) | {"weight": said.weight, "version": said.version}
    return shown if said.stage is None else shown | {"stage": said.stage}


def in_words(scores: Array, labels: tuple[str, ...]) -> dict[str, Any]:
    """What `scores` (n, k) say of each row; null of a row that nobody was asked about, whose scores are NaN."""
    asked: list[bool] = (~np.isnan(scores[:, 0])).tolist()
    if not labels:
        return {
            "predictions": [row[0] if is_asked else None for row, is_asked in zip(scores.tolist(), asked, strict=True)]
        }
    best = scores.argmax(axis=1).tolist() if len(scores) else []
    return {
        "predictions": [labels[at] if is_asked else None for at, is_asked in zip(best, asked, strict=True)],
        "probabilities": [row if is_asked else None for row, is_asked in zip(scores.tolist(), asked, strict=True)],
    }


def last_stage(stages: Array) -> int:
    """The last stage of a cascade that decided any row."""
    return int(stages.max(initial=1))


def milliseconds(seconds: float) -> float:
    """To the microsecond."""
    return round(seconds * 1e3, 3)

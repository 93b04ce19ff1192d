"""Entries of the journal in words: a line for each request, and one request as a timeline.

All offsets are milliseconds since the request's headers were read.
"""

from datetime import UTC, datetime
from typing import Any

from models.types import Array, MemberReport, PartReport, Report, Settled
from server.codecs.outcome import in_words, milliseconds
from server.journal import Entry


def summary(entry: Entry) -> dict[str, Any]:
    """One request in a list."""
    report = entry.report
    shown = {
        "id": entry.id,
        "time": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "model": entry.model,
        "http_status": entry.http_status,
        "status": status_of(entry),
        "elapsed_ms": milliseconds(entry.elapsed),
        "answered": report.answered if report else None,
        "asked": report.asked if report else None,
        "decided": decided(entry),
    }
    return shown | {"drills": entry.drills} if entry.drills else shown


def timeline(entry: Entry) -> dict[str, Any]:
    """One request: who was asked, when each answered, what each said, what decided it."""
    shown = summary(entry) | {"rows": entry.rows}
    if entry.code:
        shown["code"] = entry.code
    if entry.place:
        shown["where"] = entry.place
    report = entry.report
    if report is not None and report.settled is not None:
        shown |= {"degraded": report.degraded, "quorum": report.quorum}
        shown |= _settled(report.settled, entry.began)
        shown["members"] = _members(report, entry.began)
    if report is not None and report.parts:
        shown["parts"] = _parts(report, entry.began)
    if entry.answer is not None:
        shown["answer"] = _said(entry.answer, entry.labels) | _agreement(report)
    if report is not None and report.stages is not None:
        shown["stages"] = report.stages.tolist()
    if report is not None and report.shadows:
        shown["shadows"] = [_shadow(name, said, entry.labels) for name, said in report.shadows.items()]
    return shown


def status_of(entry: Entry) -> str:
    """The outcome's status; `failed` without an answer."""
    return entry.report.status if entry.report and not entry.code else "failed"


def decided(entry: Entry) -> str:
    """What settled the answer, or that there would be none, and when."""
    report = entry.report
    if report is None:
        return f"{entry.code} in {entry.place}" if entry.place else entry.code
    if report.settled is None:
        return _by_parts(entry, report)
    at = f"{_offset(report.settled, entry.began):.3g} ms"
    missed = bool(entry.code) or report.status == "fallback"
    if report.settled.late:
        few = f", too few for the quorum of {report.quorum}" if missed else ""
        settled = f"deadline at {at}, with {report.answered} of {report.asked}{few}"
    else:
        settled = _by_a_member(report, report.settled.by, at, missed=missed)
    if report.stages is not None:
        return f"{_stages(report)}: {settled}"
    return f"{settled}: the fallback" if report.status == "fallback" else settled


def _stages(report: Report) -> str:
    """How far a cascade went; `report.stages` are of the rows that were kept."""
    last = max((said.stage or 1 for said in report.members.values()), default=1)
    asked = max((said.stage or 1 for said in report.members.values() if said.elapsed is not None), default=1)
    return f"stage {asked} of {last}"


def _by_parts(entry: Entry, report: Report) -> str:
    """Where there was no vote."""
    if entry.code:
        failed = [part.name for part in report.parts if part.fate not in ("ok", "unneeded") and part.began is not None]
        return f"{entry.code} of {', '.join(failed)}" if failed else entry.code
    return f"answered by {', '.join(part.name for part in report.parts)}" if report.parts else "answered by itself"


def _by_a_member(report: Report, by: str, at: str, *, missed: bool) -> str:
    if not by:
        return f"quorum out of reach from the start, at {at}"
    news = f"{by} at {at}"
    said = report.members[by]
    if said.fate != "ok":
        news = f"{by} ({said.fate}: {said.reason}) at {at}"
    if missed:
        return f"quorum out of reach after {news}"
    return f"decided by {news}" if report.status == "decided" else f"{report.status} with {news}, the last"


def _settled(settled: Settled, began: float) -> dict[str, Any]:
    return {
        "decided_by": settled.by or None,
        "decided_at_ms": _offset(settled, began),
        "at_deadline": settled.late,
    }


def _offset(settled: Settled, began: float) -> float:
    return milliseconds(settled.began - began + settled.elapsed)


def _members(report: Report, began: float) -> list[dict[str, Any]]:
    start = milliseconds(report.settled.began - began) if report.settled else None
    return [_member(name, report, start, began) for name in report.members]


def _member(name: str, report: Report, start: float | None, began: float) -> dict[str, Any]:
    said, scores, nested = report.members[name], report.said(name), report.nested(name)
    shown: dict[str, Any] = {
        "name": name,
        "start_ms": None if start is None or said.elapsed is None else round(start + milliseconds(said.after), 3),
        "duration_ms": None if said.elapsed is None else milliseconds(said.elapsed),
        "fate": said.fate,
        "reason": said.reason or None,
        "weight": said.weight,
        "version": said.version,
    }
    if said.stage is not None:
        shown["stage"] = said.stage
    if scores is not None:
        shown["said"] = _said(scores, report.labels)
    if nested is not None and nested.parts:
        shown["parts"] = _parts(nested, began)
    elif nested is not None:
        shown["members"] = _members(nested, began)
    return shown


def _parts(report: Report, began: float) -> list[dict[str, Any]]:
    return [_part(part, began) for part in report.parts]


def _part(part: PartReport, began: float) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": part.name,
        "start_ms": None if part.began is None else milliseconds(part.began - began),
        "duration_ms": None if part.elapsed is None else milliseconds(part.elapsed),
        "fate": part.fate,
        "reason": part.reason or None,
        "version": part.version,
        **part.facts,
    }
    if part.rows is not None:
        shown["rows"] = part.rows
    if part.report is not None and part.report.parts:
        shown["parts"] = _parts(part.report, began)
    elif part.report is not None:
        shown["members"] = _members(part.report, began)
    return shown


def _shadow(name: str, said: MemberReport, labels: tuple[str, ...]) -> dict[str, Any]:
    """What a candidate said once the answer had left."""
    shown: dict[str, Any] = {"name": name, "fate": said.fate, "reason": said.reason or None}
    shown |= {"duration_ms": milliseconds(said.elapsed or 0.0), "version": said.version}
    return shown if said.scores is None else shown | {"said": _said(said.scores, labels)}


def _said(scores: Array, labels: tuple[str, ...]) -> dict[str, Any]:
    """(n, k) in words; the first rows are all that was kept."""
    return in_words(scores, labels) | ({"labels": labels} if labels else {})


def _agreement(report: Report | None) -> dict[str, Any]:
    if report is None or report.agreement is None or report.entropy is None:
        return {}
    agreement: dict[str, Any] = {"agreement": report.agreement.tolist(), "entropy": report.entropy.tolist()}
    return agreement | ({"disagreed": report.disagreed} if report.disagreed else {})

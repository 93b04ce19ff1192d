"""Requests as a terminal shows them: a row for each, and one as bars over time."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 40  # characters for the whole of a request
BAR, EIGHTHS, MARK = "█", " ▏▎▍▌▋▊▉", "▲"
STYLES = {"ok": "green", "unneeded": "blue", "late": "yellow", "failed": "red", "skipped": "bright_black"}
FEW_ROWS = 8
LABELS = 3  # of a row, the most probable first


def table_of(requests: list[dict[str, Any]]) -> Table:
    """One row a request."""
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "time", "model", "http", "status", "answered", "ms", "what decided it"):
        table.add_column(heading, justify="right" if heading in ("answered", "ms") else "left", no_wrap=heading == "id")
    for one in requests:
        answered = "" if one["asked"] is None else f"{one['answered']}/{one['asked']}"
        style = "red" if one["status"] == "failed" else "yellow" if one["status"] in ("partial", "fallback") else ""
        cells = (one["id"], one["time"], one["model"], str(one["http_status"]), one["status"], answered)
        decided = "; ".join((one["decided"], *drills_of(one)))
        table.add_row(*(Text(cell) for cell in cells), f"{one['elapsed_ms']:.2f}", Text(decided), style=style)
    return table


def drawing_of(one: dict[str, Any], *, bars: bool) -> RenderableType:
    """One request; with `bars`, each member's time is drawn, and the moment when the answer was decided is marked."""
    parts: list[RenderableType] = list(_heading(one))
    if "members" in one or "parts" in one:
        parts += [Text(""), _members(one, bars=bars)]
    if "answer" in one:
        parts += [Text(""), Text(f"answer  {words(one['answer'], one['rows'])}")]
    for shadow in one.get("shadows", ()):
        said = words(shadow["said"], one["rows"]) if "said" in shadow else f"{shadow['fate']}: {shadow['reason']}"
        parts.append(Text(f"shadow  {shadow['name']} after {shadow['duration_ms']:.2f} ms: {said}"))
    return Group(*parts)


def _heading(one: dict[str, Any]) -> Iterator[Text]:
    answered = "" if one["asked"] is None else f", {one['answered']} of {one['asked']} answered"
    quorum = f", quorum {one['quorum']}" if "quorum" in one else ""
    yield Text(f"{one['id']}  {one['time']}")
    status = f"{one['http_status']} {one['status']}"
    rows = f", {one['rows']} row{'' if one['rows'] == 1 else 's'}" if one["rows"] else ""
    yield Text(f"{one['model'] or 'the default'}: {status}{answered}{quorum}{rows}, {one['elapsed_ms']:.2f} ms")
    yield Text(one["decided"])
    for words in drills_of(one):
        yield Text(words, "magenta")


def drills_of(one: dict[str, Any]) -> list[str]:
    """The drills that had a hand in it."""
    return [f"drill at {name}: {words}" for name, words in one.get("drills", {}).items()]


def _members(one: dict[str, Any], *, bars: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("part" if "parts" in one else "member", no_wrap=True)
    staged = any("stage" in member for _, member in _flat(one))
    if staged:
        table.add_column("stage", justify="right")
    if bars:
        table.add_column(_ruler(one), no_wrap=True, min_width=WIDTH)
    for heading in ("start ms", "took ms", "fate", "weight", "said"):
        table.add_column(heading, justify="right" if heading.endswith("ms") or heading == "weight" else "left")
    for depth, member in _flat(one):
        drawn = [Text(str(member.get("stage", "")))] if staged else []
        drawn += [_bar(member, one)] if bars else []
        fate = f"{member['fate']}: {member['reason']}" if member["reason"] else member["fate"]
        table.add_row(
            Text("  " * depth + member["name"]),
            *drawn,
            _number(member["start_ms"]),
            _number(member["duration_ms"]),
            Text(fate, STYLES[member["fate"]]),
            f"{member['weight']:g}" if "weight" in member else "",
            Text(words(member["said"], one["rows"]) if "said" in member else _asked(member)),
        )
    if bars and "decided_at_ms" in one:
        table.add_row(
            "",
            *([""] if staged else []),
            _mark(one),
            "",
            _number(one["decided_at_ms"]),
            one["decided_by"] or ("deadline" if one["at_deadline"] else ""),
            "",
            "",
        )
    return table


def _asked(part: dict[str, Any]) -> str:
    """Why a part was asked, and about which rows."""
    shown = part.get("rows", [])[:FEW_ROWS]
    more = ", ..." if len(part.get("rows", [])) > FEW_ROWS else ""
    rows = f"rows {', '.join(map(str, shown))}{more}" if shown else ""
    return ": ".join(text for text in (rows, str(part.get("when", ""))) if text)


def _flat(one: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Parts, or members where there are none, and under each that is a composite its own."""
    for part in one.get("parts", one.get("members", [])):
        yield depth, part
        yield from _flat(part, depth + 1)


def _ruler(one: dict[str, Any]) -> str:
    """A scale from 0 to the end."""
    end = f"{one['elapsed_ms']:.3g} ms"
    return "0".ljust(WIDTH - len(end)) + end


def _mark(one: dict[str, Any]) -> str:
    """Where the answer was decided."""
    return " " * min(WIDTH - 1, int(WIDTH * one["decided_at_ms"] / one["elapsed_ms"])) + MARK


def _bar(member: dict[str, Any], one: dict[str, Any]) -> Text:
    if member["start_ms"] is None and ("parts" in one or member["duration_ms"] is None):  # it was never asked
        return Text("")
    start, took = member["start_ms"] or 0.0, member["duration_ms"] or 0.0
    return Text(bar(start / one["elapsed_ms"], (start + took) / one["elapsed_ms"], WIDTH), STYLES[member["fate"]])


def bar(start: float, stop: float, width: int) -> str:
    """A bar from `start` to `stop`, shares of `width` characters; never so short that it cannot be seen."""
    first = min(int(start * width), width - 1)
    eighths = max(1, round((min(stop, 1.0) * width - first) * 8))
    return " " * first + BAR * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def words(said: dict[str, Any], rows: int) -> str:
    """What was said about the first rows: `benign 0.983, malignant 0.017`."""
    if "probabilities" in said:
        shown = ["-" if row is None else _ranked(row, said["labels"]) for row in said["probabilities"]]
    else:
        shown = ["-" if value is None else f"{value:.6g}" for value in said["predictions"]]
    if rows > len(shown):
        shown.append(f"and {rows - len(shown)} more rows")
    return " | ".join(shown)


def _ranked(row: list[float], labels: list[str]) -> str:
    ranked = sorted(zip(row, labels, strict=True), key=lambda pair: -pair[0])
    return ", ".join(f"{label} {probability:.3f}" for probability, label in ranked[:LABELS])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"

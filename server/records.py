"""Answers row by row, for people and for programs: a table, JSON lines or CSV."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

Record = dict[str, Any]
"""One row's answer: `prediction`; where there are any, `probabilities`, `agreement`, `stage`, `degraded`, `members`."""


class Style(Protocol):
    """How records become text."""

    def text(self, records: Sequence[Record]) -> str:
        """The lines for `records`, which follow those that came before."""


def records_of(answer: Mapping[str, Any]) -> Iterator[Record]:
    """The answer to several rows, one by one."""
    labels = answer.get("labels")
    degraded = answer["outcome"]["degraded"]
    for at, prediction in enumerate(answer["predictions"]):
        record: Record = {"prediction": prediction}
        if labels:
            record["probabilities"] = dict(zip(labels, answer["probabilities"][at], strict=True))
        if "agreement" in answer:
            record["agreement"] = answer["agreement"][at]
        if "stages" in answer:
            record["stage"] = answer["stages"][at]
        if degraded:
            record["degraded"] = True
        if members := _members(answer, labels, at):
            record["members"] = members
        yield record


def _members(answer: Mapping[str, Any], labels: Sequence[str] | None, at: int) -> Record:
    """What each member said to one row, where that was asked for; of one that said nothing, why."""
    members = answer.get("members", {})
    if not any("predictions" in said for said in members.values()):
        return {}
    return {name: _said(said, labels, at) for name, said in members.items()}


def _said(said: Mapping[str, Any], labels: Sequence[str] | None, at: int) -> Record:
    if "predictions" not in said:
        return {key: said[key] for key in ("fate", "reason") if key in said}
    if said["predictions"][at] is None:  # a cascade needed it for other rows
        return {"fate": "unneeded"}
    record: Record = {"prediction": said["predictions"][at]}
    if labels:
        record["probabilities"] = dict(zip(labels, said["probabilities"][at], strict=True))
    return record


class JsonLines:
    """One JSON object a row."""

    def text(self, records: Sequence[Record]) -> str:
        return "".join(msgspec.json.encode(record).decode() + "\n" for record in records)


class Csv:
    """A header, and one line a row."""

    def __init__(self) -> None:
        self._columns: list[str] = []

    def text(self, records: Sequence[Record]) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        for record in records:
            flat = _flat(record)
            if not self._columns:
                self._columns = list(flat)
                writer.writerow(self._columns)
            writer.writerow([flat.get(column, "") for column in self._columns])
        return out.getvalue()


def _flat(record: Record) -> Record:
    """One value a column; the same columns for each row of one answer, however it came about."""
    flat: Record = {"prediction": record["prediction"]}
    flat |= {f"probability {label}": value for label, value in record.get("probabilities", {}).items()}
    if "agreement" in record:
        flat["agreement"] = record["agreement"]
    if "stage" in record:
        flat["stage"] = record["stage"]
    flat["degraded"] = "true" if record.get("degraded") else "false"
    for name, said in record.get("members", {}).items():
        flat[f"member {name}"] = said.get("prediction", said.get("fate"))
    return flat


class Table:
    """Columns for people, as wide as their headings and what the first rows need."""

    def __init__(self) -> None:
        self._widths: dict[str, int] = {}
        self._row = 0

    def text(self, records: Sequence[Record]) -> str:
        shown: list[dict[str, str]] = []
        for record in records:
            self._row += 1
            cells = {"row": str(self._row), **{name: _cell(value) for name, value in _flat(record).items()}}
            shown.append({name: cell for name, cell in cells.items() if name != "degraded" or cell == "true"})
        lines: list[str] = []
        if not self._widths and shown:
            names = list(dict.fromkeys(name for row in shown for name in row))
            self._widths = {name: max(len(name), *(len(row.get(name, "")) for row in shown)) for name in names}
            lines.append(self._line({name: name for name in names}))
        lines += [self._line(row) for row in shown]
        return "".join(f"{line}\n" for line in lines)

    def _line(self, cells: Mapping[str, str]) -> str:
        return "  ".join(cells.get(name, "").ljust(width) for name, width in self._widths.items()).rstrip()


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

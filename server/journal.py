"""The last requests, and what became of each; never their inputs. No clock, no I/O.

An entry is on the path of every answer: it refers to what there is anyway, and is put into words only when
someone asks. What everyone said is kept for the first few rows alone, and in fewer the more labels there are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import msgspec
from msgspec.structs import replace

from backends.drill import NO_DRILLS
from models.types import ALL_ROWS, Array, MemberReport, PartReport, Report

CAPACITY = 1000  # requests
ROWS = 3  # of each array, at most
NUMBERS = 8192  # of all arrays of one entry, so that a thousand entries are 64 MB at the very most


class Entry(msgspec.Struct, frozen=True, eq=False):
    """One request. `at` in seconds of the wall clock, when it came; `began` the same moment on the clock of durations.

    `answer` is (n, k), (n, 1) for a regression, in the order of `labels`; None without an answer, or of another task.
    `code` and `place` are an error's: its stable name, and where a caller's fault is. Messages may quote inputs.
    `drills` are those that had a hand in it, in words.
    """

    id: str
    at: float
    model: str
    http_status: int
    began: float
    elapsed: float
    rows: int = 0
    report: Report | None = None
    answer: Array | None = None
    labels: tuple[str, ...] = ()
    code: str = ""
    place: str = ""
    drills: Mapping[str, str] = NO_DRILLS


class Journal:
    """The last `capacity` entries; older ones are dropped."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._small: Mapping[str, MemberReport] | None = None  # what members said, last of all, within the bounds

    def __len__(self) -> int:
        return len(self._entries)

    def write(self, entry: Entry) -> None:
        """Keep `entry`, and no more of its arrays than the bounds allow."""
        report = entry.report
        if report is None or report.members is not self._small or entry.rows > ROWS:  # requests share what members said
            entry = _bounded(entry)
            self._small = None if entry.report is not report or report is None else report.members
        self._entries.append(entry)

    def latest(self, limit: int, wanted: Callable[[Entry], bool]) -> Iterator[Entry]:
        """At most `limit` entries that are `wanted`, the newest first."""
        return islice(filter(wanted, reversed(self._entries)), limit)

    def find(self, request_id: str) -> Entry | None:
        """The newest entry with that id, which its caller may have used before."""
        return next(self.latest(1, lambda entry: entry.id == request_id), None)


def _bounded(entry: Entry) -> Entry:
    arrays = list(_arrays(entry))
    if entry.rows <= ROWS and _kept_by(arrays) <= NUMBERS:  # what most requests are
        return entry
    width = sum(array.shape[1] for array in arrays)
    rows = min(ROWS, entry.rows, NUMBERS // width if width else ROWS)
    report = entry.report and _cut_report(entry.report, rows)
    return msgspec.structs.replace(entry, report=report, answer=_cut(entry.answer, rows))


def _arrays(entry: Entry) -> Iterator[Array]:
    """Everything (n, k) in `entry`."""
    if entry.answer is not None:
        yield entry.answer
    if entry.report is not None:
        yield from _said(entry.report)


def _said(report: Report) -> Iterator[Array]:
    for member in report.members.values():
        if member.scores is not None:
            yield member.scores
        if member.report is not None:
            yield from _said(member.report)
    for part in report.parts:
        if part.report is not None:
            yield from _said(part.report)


def _kept_by(arrays: Iterable[Array]) -> int:
    """How many numbers are kept by keeping `arrays`: a part keeps the whole, and parts of one keep it once."""
    kept = {id(array if array.base is None else array.base): array for array in arrays}
    return sum(
        array.size if array.base is None else getattr(array.base, "size", NUMBERS + 1) for array in kept.values()
    )


def _cut_report(report: Report, rows: int) -> Report:
    """The report on the first `rows`, and nothing that keeps the others."""
    part = report.of_rows(slice(0, rows))
    members = {
        name: replace(said, scores=_cut(part.said(name), rows), report=_cut_nested(part.nested(name), rows))
        for name, said in part.members.items()
    }
    return replace(
        part,
        members=members,
        agreement=_cut(part.agreement, rows),
        entropy=_cut(part.entropy, rows),
        parts=tuple(_cut_part(one, rows) for one in part.parts),
        stages=_cut(part.stages, rows),
        rows=ALL_ROWS,
    )


def _cut_part(part: PartReport, rows: int) -> PartReport:
    return replace(part, report=_cut_nested(part.report, rows if part.rows is None else len(part.rows)))


def _cut_nested(report: Report | None, rows: int) -> Report | None:
    return None if report is None else _cut_report(report, rows)


def _cut(array: Array | None, rows: int) -> Array | None:
    """A copy of the first `rows`: a view would keep the whole."""
    return None if array is None else array[:rows].copy()

"""The last requests, and what became of each; never their inputs. No clock, no I/O.

An entry is on the path of every answer: it refers to what there is anyway, and is put into words only when
someone asks. What everyone said is kept for the first few rows alone, and in fewer the more labels there are.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from models.types import Array, Report

CAPACITY = 1000  # requests
ROWS = 3  # of each array, at most
NUMBERS = 8192  # of all arrays of one entry, so that a thousand entries are 64 MB at the very most


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `at` in seconds of the wall clock, when it came; `began` the same moment on the clock of durations.

    `answer` is (n, k), (n, 1) for a regression, in the order of `labels`; None without an answer, or of another task.
    `code` and `place` are an error's: its stable name, and where a caller's fault is. Messages may quote inputs.
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


class Journal:
    """The last `capacity` entries; older ones are dropped."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._entries)

    def write(self, entry: Entry) -> None:
        """Keep `entry`, and no more of its arrays than the bounds allow."""
        self._entries.append(_bounded(entry))

    def latest(self, limit: int, wanted: Callable[[Entry], bool]) -> Iterator[Entry]:
        """At most `limit` entries that are `wanted`, the newest first."""
        return islice(filter(wanted, reversed(self._entries)), limit)

    def find(self, request_id: str) -> Entry | None:
        """The newest entry with that id, which its caller may have used before."""
        return next(self.latest(1, lambda entry: entry.id == request_id), None)


def _bounded(entry: Entry) -> Entry:
    arrays = list(_arrays(entry))
    width = sum(array.shape[1] for array in arrays)
    rows = min(ROWS, NUMBERS // width) if width else ROWS
    if entry.rows <= rows and all(_is_whole(array) for array in arrays):  # what most requests are
        return entry
    report = entry.report and _cut_report(entry.report, rows)
    return replace(entry, report=report, answer=_cut(entry.answer, rows))


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


def _is_whole(array: Array) -> bool:
    """Whether nothing but `array` itself is kept by keeping it."""
    return array.base is None or getattr(array.base, "nbytes", None) == array.nbytes


def _cut_report(report: Report, rows: int) -> Report:
    members = {
        name: replace(said, scores=_cut(said.scores, rows), report=said.report and _cut_report(said.report, rows))
        for name, said in report.members.items()
    }
    return replace(
        report,
        members=members,
        agreement=_cut(report.agreement, rows),
        entropy=_cut(report.entropy, rows),
        disagreed=report.disagreed and tuple(row for row in report.disagreed if row < rows),
    )


def _cut(array: Array | None, rows: int) -> Array | None:
    """A copy of the first `rows`: a view would keep the whole."""
    return None if array is None else array[:rows].copy()

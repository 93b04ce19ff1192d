"""What is counted about the answers of one composite; no clock, no I/O."""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from backends.histogram import SHARES, Histogram
from models.types import MemberReport, Report

KEEP = 0.95  # how much of what a member usually takes is remembered from one answer to the next
NO_QUORUM = "no_quorum"


class Recorder(Protocol):
    """Whatever counts how answers came about."""

    def record(self, report: Report, seconds: float, *, answered: bool) -> None:
        """A request ended after `seconds`, with or without an answer."""


class PartOutcomes:
    """What became of each part of a composite that is no ensemble."""

    def __init__(self) -> None:
        self.fates: Counter[tuple[str, str, str]] = Counter()  # (part, fate, reason)

    def record(self, report: Report, seconds: float, *, answered: bool) -> None:
        """A request ended after `seconds`, with or without an answer."""
        for part in report.parts:
            self.fates[part.name, part.fate, part.reason] += 1


class Unrecorded:
    """Of a composite that answers as a part of it does, whose own outcomes are counted."""

    def record(self, report: Report, seconds: float, *, answered: bool) -> None:
        """Nothing."""


class Outcomes:
    """Of an ensemble: answers by status, members' fates, the agreement of each row, the time saved by not waiting.

    What a member that was let go, or not asked, would have taken nobody knows; it is taken to be what it usually takes.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.agreement = Histogram(SHARES)
        self.saved = 0.0  # seconds
        self._fates: Counter[tuple[str, str, str]] = Counter()
        self._members: Mapping[str, MemberReport] = {}  # of the last request, as of those that shared its fan-out
        self._shared = 0  # how many those are
        self.stages: Counter[int] = Counter()  # of a cascade: answers by the last stage that decided any of their rows
        self.stage_rows: Counter[int] = Counter()  # and rows by the stage that decided them
        self._usual: dict[str, float] = {}

    @property
    def fates(self) -> Counter[tuple[str, str, str]]:
        """(member, fate, reason)"""
        self._count()
        return self._fates

    def record(self, report: Report, seconds: float, *, answered: bool) -> None:
        """A request ended after `seconds`, with or without an answer."""
        self.statuses[report.status if answered else NO_QUORUM] += 1
        if report.members is not self._members:
            self._count()
            self._members = report.members
            self._learn(report.members)
        self._shared += 1
        if report.agreement is not None:
            self.agreement.add_all(report.agreement)
        if report.stages is not None and len(report.stages):
            self.stages[int(report.stages.max())] += 1
            self.stage_rows.update(report.stages.tolist())
        if answered and (report.status == "decided" or report.stages is not None):
            self.saved += max(0.0, self._until_the_last(report) - seconds)

    def _count(self) -> None:
        """Count the members' fates of the requests that shared a fan-out, all at once."""
        if self._shared:
            for name, said in self._members.items():
                self._fates[name, said.fate, said.reason] += self._shared
        self._shared = 0

    def _learn(self, members: Mapping[str, MemberReport]) -> None:
        for name, said in members.items():
            if said.fate == "ok" and said.elapsed is not None:
                self._usual[name] = KEEP * self._usual.get(name, said.elapsed) + (1 - KEEP) * said.elapsed

    def _until_the_last(self, report: Report) -> float:
        """How long the slowest of those that were let go usually takes."""
        let_go = [name for name, said in report.members.items() if said.fate == "unneeded"]
        return max((self._usual.get(name, 0.0) for name in let_go), default=0.0)

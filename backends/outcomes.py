"""What is counted about the answers of one ensemble; no clock, no I/O."""

from collections import Counter

from backends.histogram import SHARES, Histogram
from models.types import Report

KEEP = 0.95  # how much of what a member usually takes is remembered from one answer to the next
NO_QUORUM = "no_quorum"


class Outcomes:
    """Answers by status, each member's fates, the agreement of each row, and the time saved by leaving early.

    What a member that was let go would still have taken nobody knows; it is taken to be what it usually takes.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.fates: Counter[tuple[str, str, str]] = Counter()  # (member, fate, reason)
        self.agreement = Histogram(SHARES)
        self.saved = 0.0  # seconds
        self._usual: dict[str, float] = {}

    def record(self, report: Report, seconds: float, *, answered: bool) -> None:
        """A request ended after `seconds`, with or without an answer."""
        self.statuses[report.status if answered else NO_QUORUM] += 1
        for name, said in report.members.items():
            self.fates[name, said.fate, said.reason] += 1
            if said.fate == "ok" and said.elapsed is not None:
                self._usual[name] = KEEP * self._usual.get(name, said.elapsed) + (1 - KEEP) * said.elapsed
        if report.agreement is not None:
            self.agreement.add_all(report.agreement.tolist())
        if answered and report.status == "decided":
            self.saved += max(0.0, self._until_the_last(report) - seconds)

    def _until_the_last(self, report: Report) -> float:
        """How long the slowest of those that were let go usually takes."""
        let_go = [name for name, said in report.members.items() if said.fate == "unneeded"]
        return max((self._usual.get(name, 0.0) for name in let_go), default=0.0)

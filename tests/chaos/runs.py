"""What scenarios read from a run beside its counts."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from benchmarks.claims import Claim
from server.bench.answers import Reader
from server.bench.latencies import Latencies
from server.bench.measured import Measured
from server.bench.series import Second
from tests.chaos.figures import exactly, share


class Recorded(Measured):
    """One that keeps every answer, too, with the moment at which it was there."""

    def __init__(self, read: Reader) -> None:
        super().__init__(read)
        self.answers: list[Answered] = []

    def answered(self, intended: float, now: float, status: int, body: bytes) -> None:
        super().answered(intended, now, status, body)
        self.answers.append(Answered(intended, now, status, msgspec.json.decode(body)))


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, in JSON; moments are those of `time.perf_counter`."""

    intended: float
    came: float
    status: int
    said: dict[str, Any]

    @property
    def id(self) -> str:
        """The id of its request, which members are told."""
        return str(self.said["outcome"]["request_id"] if self.status == 200 else self.said["request_id"])


def all_answered(run: Measured) -> list[Claim]:
    """Availability: every request has a 200; errors of connections count as failures."""
    return [
        share("answered 200", run.statuses[200], run.offered, least=100),
        exactly("answers of another status", run.statuses.total() - run.statuses[200], 0),
        exactly("errors of connections", run.errors.total(), 0),
    ]


def p99(latencies: Latencies) -> float:
    """In milliseconds; of nothing it is without end, and what is claimed about it counts as not measured."""
    return next(iter(latencies.at([99])), float("inf"))


def fates(run: Measured, member: str, fate: str) -> int:
    """In how many answers a member has a fate, for whatever reason."""
    summary = run.members.summary().get(member)
    return sum(count for said, count in summary.fates.items() if said.split(":")[0] == fate) if summary else 0


def typical_ms(seconds: Sequence[Second]) -> float:
    """The median of the p50 of these seconds, so that a hiccup in one does not count."""
    medians = [one.p50_ms for one in seconds if one.p50_ms is not None]
    return statistics.median(medians) if medians else 0.0

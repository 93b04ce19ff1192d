"""What is compared: something that can be driven for a few seconds, and says what it did."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks import chorus
from benchmarks.histogram import quantile
from benchmarks.process import Server
from benchmarks.wrk import STATUS, Load, drive

UNDEGRADED = frozenset({"complete", "decided"})


class RunFailed(Exception):
    """Something was not answered as it should be, so that the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One slice of time: `requests` that were answered, with an error or without; `counts` of them by microseconds.

    `cpu_seconds` of all processes of the contestant. `failed`: errors by their kind, of whoever is allowed to fail.
    `statuses`: of a Chorus, its answers by status, and its errors by theirs.
    """

    requests: int
    seconds: float
    cpu_seconds: float
    counts: Mapping[int, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers per second that are no errors."""
        return (self.requests - self.failed.get(STATUS, 0)) / self.seconds

    @property
    def cpu_micros(self) -> float:
        """Processor time for one answer."""
        return self.cpu_seconds / self.requests * 1e6

    def quantile_ms(self, share: float) -> float:
        return quantile(self.counts, share) / 1e3

    def share_of(self, *statuses: str) -> float:
        """What share of a Chorus' requests was answered with one of `statuses`."""
        counted = sum(self.statuses.get(status, 0) for status in statuses)
        unanswered = sum(count for kind, count in self.failed.items() if kind != STATUS)
        return counted / (sum(self.statuses.values()) + unanswered)


class Contestant(Protocol):
    """`name` stands in the tables; `servers` are all its processes that outlive a slice."""

    @property
    def name(self) -> str: ...

    @property
    def servers(self) -> tuple[Server, ...]: ...

    def warm_up(self, connections: int, seconds: int) -> None:
        """Drive it, and forget about it."""
        ...

    def measure(self, connections: int, seconds: int) -> Sample:
        """Drive it over so many `connections` for so many `seconds`.

        Raises:
            RunFailed: not all was answered as it should be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Driven:
    """Servers of which wrk asks the first. `is_chorus`: its answers are counted by status.

    `strict`: an error, or a status other than `complete` or `decided`, ends the scenario. Otherwise it is counted.
    """

    name: str
    servers: tuple[Server, ...]
    load: Load
    is_chorus: bool = False
    strict: bool = True

    def warm_up(self, connections: int, seconds: int) -> None:
        drive(self.load, connections, seconds)

    def measure(self, connections: int, seconds: int) -> Sample:
        statuses, cpu = self._statuses(), self._cpu_seconds()
        measured = drive(self.load, connections, seconds)
        cpu = self._cpu_seconds() - cpu
        statuses = self._statuses() - statuses
        if not measured.requests:
            raise RunFailed(f"{self.name} at {connections}: no answer")
        if self.strict:
            degraded = {status: count for status, count in statuses.items() if status not in UNDEGRADED}
            self._check({**measured.failed, **degraded}, f"of {measured.requests} at {connections} connections")
        return Sample(measured.requests, measured.seconds, cpu, measured.counts, measured.failed, statuses)

    def _cpu_seconds(self) -> float:
        return sum(server.cpu_seconds() for server in self.servers)

    def _statuses(self) -> Counter[str]:
        return chorus.statuses(self.servers[0]) if self.is_chorus else Counter()

    def _check(self, wrong: Mapping[str, int], of: str) -> None:
        if wrong:
            said = ", ".join(f"{kind} {count}" for kind, count in wrong.items())
            raise RunFailed(f"{self.name}: not all was answered as it should be: {said} {of}")

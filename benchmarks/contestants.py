"""What is compared: something that can be driven for a few seconds, and says what it did."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks import chorus
from benchmarks.histogram import quantile
from benchmarks.process import Server
from benchmarks.wrk import Load, drive

WARM_UP_SECONDS = 1


class RunFailed(Exception):
    """Something was not answered as it should be, so that the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One slice of time: `cpu_seconds` of all processes of the contestant; `counts` of answers by microseconds.

    `answers`: of a Chorus, by ensemble and status.
    """

    requests: int
    seconds: float
    cpu_seconds: float
    counts: Mapping[int, int] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds

    @property
    def cpu_micros(self) -> float:
        """Processor time for one answer."""
        return self.cpu_seconds / self.requests * 1e6

    def quantile_ms(self, share: float) -> float:
        return quantile(self.counts, share) / 1e3


class Contestant(Protocol):
    """`name` stands in the tables; `servers` are all its processes that outlive a slice."""

    @property
    def name(self) -> str: ...

    @property
    def servers(self) -> tuple[Server, ...]: ...

    def measure(self, connections: int, seconds: int) -> Sample:
        """Drive it over so many `connections` for so many `seconds`, after a warm-up that does not count.

        Raises:
            RunFailed: not all was answered as it should be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Driven:
    """Servers of which wrk asks the first. `is_chorus`: its answers are counted by status, all to be in `allowed`."""

    name: str
    servers: tuple[Server, ...]
    load: Load
    is_chorus: bool = False
    allowed: frozenset[str] = frozenset({"complete"})

    def measure(self, connections: int, seconds: int) -> Sample:
        drive(self.load, connections, WARM_UP_SECONDS)
        answers = self._answers()
        cpu = self._cpu_seconds()
        measured = drive(self.load, connections, seconds)
        cpu = self._cpu_seconds() - cpu
        answers = self._answers() - answers
        if measured.failed or not measured.requests:
            failed = ", ".join(f"{kind} {count}" for kind, count in measured.failed.items()) or "no answer"
            raise RunFailed(f"{self.name} at {connections}: {measured.requests} answers, errors: {failed}")
        self._check(answers, connections)
        return Sample(measured.requests, measured.seconds, cpu, measured.counts, answers)

    def _cpu_seconds(self) -> float:
        return sum(server.cpu_seconds() for server in self.servers)

    def _answers(self) -> Counter[tuple[str, str]]:
        return chorus.answers(self.servers[0]) if self.is_chorus else Counter()

    def _check(self, answers: Mapping[tuple[str, str], int], connections: int) -> None:
        wrong = {status: count for (_, status), count in answers.items() if status not in self.allowed}
        if wrong:
            said = ", ".join(f"{status} {count}" for status, count in wrong.items())
            raise RunFailed(f"{self.name} at {connections}: not every answer was {'/'.join(self.allowed)}: {said}")

"""A, B, C, A, B, C, ...: whatever disturbs the machine for a while disturbs all that is compared."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.contestants import Contestant, Sample
from benchmarks.process import wait_until_idle
from benchmarks.progress import Progress
from benchmarks.spread import Spread, ratio

OVERHEAD_SECONDS = 1.0  # of a slice: wrk's start and end, waiting for silence

Of = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Times:
    """`rounds` alternations of slices of `seconds`, each after `warm_up` seconds that do not count."""

    seconds: int = 5
    rounds: int = 5
    warm_up: int = 1

    @property
    def slice_seconds(self) -> float:
        """About how long a slice takes."""
        return self.seconds + self.warm_up + OVERHEAD_SECONDS

    def expected(self, contestants: int, connections: int) -> float:
        """About how many seconds `alternate` takes."""
        return contestants * connections * self.rounds * self.slice_seconds


class Figures:
    """What was measured, by contestant and connections; in the order of the alternations."""

    def __init__(self) -> None:
        self._samples: defaultdict[tuple[str, int], list[Sample]] = defaultdict(list)

    def add(self, name: str, connections: int, sample: Sample) -> None:
        self._samples[name, connections].append(sample)

    def samples(self, name: str, connections: int) -> tuple[Sample, ...]:
        """One for each alternation; none if it was not measured."""
        return tuple(self._samples.get((name, connections), ()))

    def each(self, name: str, connections: int, of: Of) -> tuple[float, ...]:
        """One value for each alternation."""
        return tuple(map(of, self.samples(name, connections)))

    def spread(self, name: str, connections: int, of: Of) -> Spread:
        return Spread(self.each(name, connections, of))

    def ratio(self, name: str, other: str, connections: int, of: Of) -> Spread:
        """How many times that of `other` it is, in each alternation."""
        return ratio(self.each(name, connections, of), self.each(other, connections, of))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._samples)


def alternate(
    contestants: Sequence[Contestant],
    connections: Sequence[int],
    *,
    times: Times,
    progress: Progress,
) -> Figures:
    """Drive each of `contestants` over each number of `connections`, as long and as often as `times` says."""
    figures = Figures()
    servers = [server for contestant in contestants for server in contestant.servers]
    for number in range(times.rounds):
        for count in connections:
            for contestant in contestants:
                wait_until_idle(servers)
                if times.warm_up:
                    contestant.warm_up(count, times.warm_up)
                sample = contestant.measure(count, times.seconds)
                figures.add(contestant.name, count, sample)
                did = f"{contestant.name} at {count}: {sample.rate:,.0f}/s"
                progress.step(times.slice_seconds, f"{number + 1}/{times.rounds}  {did}")
    return figures

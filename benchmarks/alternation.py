"""A, B, C, A, B, C, ...: whatever disturbs the machine for a while disturbs all that is compared."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from benchmarks.contestants import WARM_UP_SECONDS, Contestant, Sample
from benchmarks.process import wait_until_idle
from benchmarks.progress import Progress
from benchmarks.spread import Spread, ratio

OVERHEAD_SECONDS = 1.0  # of a slice: wrk's start and end, waiting for silence

Of = Callable[[Sample], float]


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
    rounds: int,
    seconds: int,
    progress: Progress,
) -> Figures:
    """Drive each of `contestants` over each number of `connections`, `rounds` times."""
    figures = Figures()
    servers = [server for contestant in contestants for server in contestant.servers]
    for number in range(rounds):
        for count in connections:
            for contestant in contestants:
                wait_until_idle(servers)
                sample = contestant.measure(count, seconds)
                figures.add(contestant.name, count, sample)
                progress.step(
                    seconds + WARM_UP_SECONDS + OVERHEAD_SECONDS,
                    f"{number + 1}/{rounds}  {contestant.name} at {count}: {sample.rate:,.0f}/s",
                )
    return figures


def expected_seconds(contestants: int, connections: int, *, rounds: int, seconds: int) -> float:
    """About how long `alternate` takes."""
    return contestants * connections * rounds * (seconds + WARM_UP_SECONDS + OVERHEAD_SECONDS)

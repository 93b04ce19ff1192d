from dataclasses import dataclass, field

import pytest

from benchmarks.alternation import Figures, Times, alternate
from benchmarks.contestants import Sample
from benchmarks.process import Server
from benchmarks.progress import Progress


@dataclass(frozen=True, slots=True)
class Fake:
    """Takes one second for so many answers; writes down what it is asked for."""

    name: str
    answers: int
    asked: list[str]
    servers: tuple[Server, ...] = field(default=())

    def warm_up(self, connections: int, seconds: int) -> None:
        self.asked.append(f"warm {self.name}{connections}")

    def measure(self, connections: int, seconds: int) -> Sample:
        self.asked.append(f"{self.name}{connections}")
        return Sample(self.answers * connections, 1.0, 0.5)


def run(asked: list[str], *, warm_up: int = 0) -> Figures:
    fakes = [Fake("a", 10, asked), Fake("b", 40, asked)]
    progress = Progress(1.0, lambda line: None)
    return alternate(fakes, (1, 8), times=Times(1, 2, warm_up), progress=progress)


def test_all_take_turns_and_those_that_are_compared_are_next_to_each_other() -> None:
    asked: list[str] = []
    run(asked)
    assert asked == ["a1", "b1", "a8", "b8"] * 2


def test_each_slice_is_warmed_up_over_as_many_connections() -> None:
    asked: list[str] = []
    run(asked, warm_up=1)
    assert asked[:4] == ["warm a1", "a1", "warm b1", "b1"]


def test_figures_have_one_value_for_each_alternation() -> None:
    figures = run([])
    assert list(figures) == [("a", 1), ("b", 1), ("a", 8), ("b", 8)]
    assert figures.each("b", 8, lambda sample: sample.rate) == (320, 320)
    assert figures.ratio("b", "a", 8, lambda sample: sample.rate).values == (4, 4)
    assert figures.samples("c", 1) == ()


def test_what_takes_so_long_is_known_before() -> None:
    assert Times(seconds=5, rounds=5, warm_up=1).expected(contestants=2, connections=3) == 2 * 3 * 5 * 7


def test_an_error_is_no_throughput_but_costs() -> None:
    sample = Sample(100, 2.0, 1.0, {5: 99, 900: 1}, {"status": 20, "timeout": 10}, {"complete": 60, "504": 20})
    assert sample.rate == 40
    assert sample.cpu_micros == 10_000
    assert sample.quantile_ms(0.999) == 0.9
    assert sample.share_of("complete", "decided") == pytest.approx(60 / 90)

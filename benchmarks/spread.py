"""A figure that was measured several times: its median, and how far the times lie apart."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

MOST = 0.15  # of the median; what lies further apart was not measured


@dataclass(frozen=True, slots=True)
class Spread:
    """`values`, one for each alternation, in their order."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a figure needs at least one value")

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def relative(self) -> float:
        """From the least to the most, as a share of the median; 0 of equal values."""
        width = max(self.values) - min(self.values)
        return width / abs(self.median) if self.median else (float("inf") if width else 0.0)

    @property
    def steady(self) -> bool:
        """Whether it counts as measured."""
        return self.relative <= MOST


def pairwise(of: Callable[[float, float], float], one: Iterable[float], other: Iterable[float]) -> Spread:
    """`of` what was measured in the same alternation: what slows the machine down for a while slows down both."""
    return Spread(tuple(of(a, b) for a, b in zip(one, other, strict=True)))


def ratio(one: Iterable[float], other: Iterable[float]) -> Spread:
    """How many times `other` is `one`, in each alternation."""
    return pairwise(lambda a, b: a / b, one, other)

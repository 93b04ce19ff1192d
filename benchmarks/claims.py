"""What is claimed: a figure, the bound that it should keep, and whether it does."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.spread import Spread

Mark = Literal["met", "missed", "not measured", "goal met", "goal missed", ""]


@dataclass(frozen=True, slots=True)
class Bound:
    """`most` or `least` that a figure should be. A `goal` is hoped for, not promised."""

    most: float | None = None
    least: float | None = None
    goal: bool = False

    def holds(self, value: float) -> bool:
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of a table. `exact`: it is counted, not timed, so that its spread says nothing about noise."""

    what: str
    figure: Spread
    bound: Bound | None = None
    unit: str = ""
    exact: bool = False

    @property
    def mark(self) -> Mark:
        """What the value says, if the alternations agree well enough to say anything."""
        if self.bound is None:
            return ""
        if not (self.exact or self.figure.steady):
            return "not measured"
        held = self.bound.holds(self.value)
        if self.bound.goal:
            return "goal met" if held else "goal missed"
        return "met" if held else "missed"

    @property
    def value(self) -> float:
        """The median; of what is counted the worst, which is what its mark goes by."""
        if not self.exact:
            return self.figure.median
        return min(self.figure.values) if self.bound and self.bound.least is not None else max(self.figure.values)

    @property
    def within(self) -> int:
        """In how many of the alternations the bound held."""
        return sum(map(self.bound.holds, self.figure.values)) if self.bound else 0

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
        """What the median says, if the alternations agree well enough to say anything. Exact figures must all hold."""
        if self.bound is None:
            return ""
        if self.exact:
            held = all(map(self.bound.holds, self.figure.values))
        elif not self.figure.steady:
            return "not measured"
        else:
            held = self.bound.holds(self.figure.median)
        if self.bound.goal:
            return "goal met" if held else "goal missed"
        return "met" if held else "missed"

    @property
    def within(self) -> int:
        """In how many of the alternations the bound held."""
        return sum(map(self.bound.holds, self.figure.values)) if self.bound else 0

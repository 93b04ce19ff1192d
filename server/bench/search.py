"""The search for the highest rate that holds: double until one does not, then halve the gap. Pure."""

import math

DIGITS = 3  # of a rate: 427, not 426.9531


class Search:
    """`rate` is the one to try next, None when it is over; `held` the highest that has held, 0 if none has.

    A rate is missed when it was missed `tries` times: a hiccup of the machine is no limit of the server. It ends when
    the lowest missed is at most `precision` above the highest held.
    """

    def __init__(
        self, *, start: float, tries: int = 2, precision: float = 0.05, least: float = 1.0, most: float = 1e6
    ) -> None:
        if not 0 < least <= start <= most:
            raise ValueError(f"start must be from {least} to {most}, got {start}")
        if not (tries > 0 and precision > 0):
            raise ValueError(f"tries and precision must be positive, got {tries} and {precision}")
        self.rate: float | None = start
        self.held, self.missed = 0.0, math.inf
        self._tries, self._precision, self._least, self._most = tries, precision, least, most
        self._failures = 0

    def tell(self, *, held: bool) -> None:
        """What became of `rate`."""
        assert self.rate is not None  # noqa: S101 - else it is over
        self._failures = 0 if held else self._failures + 1
        if held:
            self.held = self.rate
        elif self._failures == self._tries:
            self.missed, self._failures = self.rate, 0
        if not self._failures:
            self.rate = self._following()

    def _following(self) -> float | None:
        if math.isinf(self.missed):
            return min(self.held * 2, self._most) if self.held < self._most else None
        if not self.held:
            return max(self.missed / 2, self._least) if self.missed > self._least else None
        if self.missed <= self.held * (1 + self._precision):
            return None
        middle = rounded((self.held + self.missed) / 2)
        return middle if self.held < middle < self.missed else None


def rounded(rate: float) -> float:
    """To `DIGITS` digits."""
    return float(f"{rate:.{DIGITS}g}")

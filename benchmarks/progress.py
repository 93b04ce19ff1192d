"""A line for each step, with the time that is left."""

import time
from collections.abc import Callable


class Left:
    """How long is left of work of `expected` seconds, from how long its parts took so far."""

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self._done = 0.0

    def done(self, expected: float) -> None:
        """What was expected to take so long is done."""
        self._done = min(self._done + expected, self._expected)

    def reach(self, expected: float) -> None:
        """What was expected to take so long from the beginning is done, or failed."""
        self._done = expected

    def seconds(self, elapsed: float) -> float:
        """At the pace so far; as expected at the beginning."""
        pace = elapsed / self._done if self._done else 1.0
        return (self._expected - self._done) * pace


class Progress:
    """Says on `echo` what was done; `expected` seconds in all."""

    def __init__(
        self, expected: float, echo: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._scenario = ""
        self._left = Left(expected)
        self._echo = echo
        self._clock = clock
        self._began = clock()

    def begin(self, scenario: str, before: float) -> None:
        """A scenario begins; what came before it was expected to take so long, and is over."""
        self._scenario = scenario
        self._left.reach(before)

    def step(self, expected: float, what: str) -> None:
        """A step that was expected to take so long is done."""
        self._left.done(expected)
        left = self._left.seconds(self._clock() - self._began)
        self._echo(f"{self._scenario:<14} {what}  ({words(left)} left)")


def words(seconds: float) -> str:
    """A duration as people say it."""
    whole = round(seconds)
    return (
        f"{whole} s"
        if whole < 60
        else f"{whole // 60} min {whole % 60:02} s"
        if whole < 3600
        else f"{whole / 3600:.1f} h"
    )

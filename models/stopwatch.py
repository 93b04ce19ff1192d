"""The time of each stage of one call, for whoever wants to know where it went.

A stage is what lies between two laps, so the stages add up to the total. One call, one stopwatch: whoever holds it at a
moment may lap it, in whatever thread.
"""

import time
from collections.abc import Callable, Mapping


class Stopwatch:
    """`seconds` by stage, in the order in which the stages came. It runs from `began`, or from when it is made."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, *, began: float | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._clock = clock
        self._last = clock() if began is None else began

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    def lap(self, stage: str) -> None:
        """What has passed since the last lap was `stage`."""
        now = self._clock()
        self._add(stage, now - self._last)
        self._last = now

    def split(self, stage: str, parts: Mapping[str, float]) -> None:
        """Of the seconds of `stage`, `parts` were spent by someone else, who says so; not believed if they are more."""
        rest = self.seconds.get(stage, 0.0) - sum(parts.values())
        if rest >= 0 and parts:
            self.seconds[stage] = rest
            for part, seconds in parts.items():
                self._add(part, seconds)

    def _add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

"""The time of each stage of one call, for whoever wants to know where it went.

A stage is what lies between two laps, so the stages add up to the total. One call, one stopwatch: whoever holds it at a
moment may lap it, in whatever thread.
"""

import re
import time
from collections.abc import Callable, Mapping

LONGEST = 1024  # characters of a text that is read

_ENTRY = re.compile(r"\s*([a-z_]{1,32})\s*;\s*dur=([0-9]{1,8}(?:\.[0-9]{1,9})?)\s*", re.ASCII)


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


def server_timing(seconds: Mapping[str, float]) -> str:
    """Stages as the header `Server-Timing` has them, in milliseconds.

    Source: https://www.w3.org/TR/server-timing/#the-server-timing-header-field
    """
    return ", ".join(f"{stage};dur={value * 1e3:.6f}" for stage, value in seconds.items())


def from_server_timing(text: str) -> dict[str, float]:
    """The seconds by stage that a header says; nothing of what is not plainly one. It comes from outside."""
    found = (_ENTRY.fullmatch(entry) for entry in text[:LONGEST].split(","))
    return {match[1]: float(match[2]) / 1e3 for match in found if match}

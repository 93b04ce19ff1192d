"""The drills that a front knows of: those that are on, until they are over, and those that were a moment ago.

An answer is touched by a drill that was on at anyone who was asked for it, at any time while it was asked for. So what
a drill does to others, a breaker that opens or a call that is let go, is marked as well.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from backends.drill import NO_DRILLS, Drill
from models.deadline import ROUNDING
from models.types import Report
from server.switchboard import Held

log = logging.getLogger(__name__)


class Drills:
    """`changed` is called when a drill is over by itself; `clock` reads CLOCK_MONOTONIC."""

    def __init__(self, changed: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed = changed
        self._clock = clock
        self._held: dict[str, Held] = {}
        self._over: dict[str, tuple[float, Drill]] = {}  # by the backend: the last one, and when it was over
        self._timer: asyncio.TimerHandle | None = None

    def hear(self, drills: Iterable[Held]) -> None:
        """`drills` are on in the whole server, and nothing else."""
        now = self._clock()
        heard = {one.name: one for one in drills if one.until - now > ROUNDING}
        for name, one in self._held.items():
            if heard.get(name) != one:
                self._over[name] = (now, one.drill)
                log.warning("the drill at %s is over: %s", name, one.drill.words)
        for name, one in heard.items():
            if self._held.get(name) != one:
                log.warning("a drill begins at %s: %s, for %.3g s", name, one.drill.words, one.until - now)
        self._held = heard
        self._wait(now)

    def _wait(self, now: float) -> None:
        """Until the next one is over."""
        if self._timer is not None:
            self._timer.cancel()
        left = min((one.until - now for one in self._held.values()), default=None)
        self._timer = None if left is None else asyncio.get_running_loop().call_later(left, self._due)

    def _due(self) -> None:
        self.hear(self._held.values())
        self._changed()

    def at(self, name: str) -> Drill | None:
        """The drill that is on at the backend `name`."""
        held = self._held.get(name)
        return None if held is None else held.drill

    def remaining(self) -> list[tuple[Held, float]]:
        """Those that are on, and the seconds until each is over."""
        now = self._clock()
        return [(held, max(0.0, held.until - now)) for held in self._held.values()]

    @property
    def known(self) -> bool:
        """Whether there has been any."""
        return bool(self._held or self._over)

    def touching(self, name: str, report: Report | None, seconds: float) -> Mapping[str, str]:
        """The drills that an answer was touched by, in words: of `name`, which was asked `seconds` ago."""
        on = self._within(seconds)
        return {one: on[one].words for one in dict.fromkeys(_asked(name, report)) if one in on} if on else NO_DRILLS

    def _within(self, seconds: float) -> dict[str, Drill]:
        """Those that were on at any time in the last `seconds`."""
        since = self._clock() - seconds
        over = {name: drill for name, (at, drill) in self._over.items() if at >= since}
        return over | {name: held.drill for name, held in self._held.items()}


def _asked(name: str, report: Report | None) -> Iterator[str]:
    """All that were asked for an answer of `name`, however deep."""
    yield name
    if report is None:
        return
    for member, said in report.members.items():
        if said.elapsed is not None:
            yield from _asked(member, said.report)
    for part in report.parts:
        if part.began is not None:
            yield from _asked(part.name, part.report)

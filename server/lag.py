"""How late the event loop runs what is due: a queue that nobody sees, for what waits in it has not been read yet."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from backends.histogram import SECONDS, Histogram

TICK_SECONDS = 0.025
TICKS = 4  # one that is late, as after a collection of garbage, is no overload


class Lag:
    """The lag at the last ticks, all in seconds; no clock. `standing` is what none of them was spared."""

    def __init__(self) -> None:
        self.standing = 0.0
        self.longest = 0.0
        self.durations = Histogram(SECONDS)
        self._last = deque([0.0] * TICKS, maxlen=TICKS)

    def tick(self, late: float) -> None:
        """What was due ran `late`."""
        late = max(0.0, late)
        self._last.append(late)
        self.standing = min(self._last)
        self.longest = max(self.longest, late)
        self.durations.add(late)


class Ticking:
    """Measures the `lag` of the running loop, and calls `each` at every tick, until it is closed."""

    def __init__(self, lag: Lag, each: Callable[[], None], *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._lag = lag
        self._each = each
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wait()

    def close(self) -> None:
        """Measure no more."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._due = self._clock() + TICK_SECONDS
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._lag.tick(self._clock() - self._due)
        self._wait()
        self._each()

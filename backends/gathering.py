"""Who leaves together, and when: concurrent calls gather while others are under way, and leave as one batch.

While nothing is under way nobody waits. Else the next batch leaves when the last one is back, or when it has been under
way for longer than batches of late were: one straggler does not hold up those who come after it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import median
from typing import Generic, Protocol, TypeVar

from models.deadline import Deadline

UNDER_WAY = 8  # batches at once
REMEMBERED = 15  # batches whose durations say how long one takes


class Rider(Protocol):
    """Someone who waits to leave. `alone`: with nobody else."""

    rows: int
    deadline: Deadline
    alone: bool


R = TypeVar("R", bound=Rider)
Capacity = Callable[[Sequence[R]], int]


class Gathering(Generic[R]):
    """Gather riders and `depart` with those who have at most `capacity` rows together, in the order in which they came.

    `capacity` is asked with those who wait, of whom the first leaves in any case. `depart` is called on the loop with
    the riders and the number of their batch, must not raise, and sees to it that `back` is told the number in the end.
    """

    def __init__(
        self,
        depart: Callable[[list[R], int], None],
        capacity: Capacity[R],
        *,
        under_way: int = UNDER_WAY,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if under_way < 1:
            raise ValueError(f"under_way must be positive, got {under_way}")
        self._depart = depart
        self._capacity = capacity
        self._most = under_way
        self._clock = clock
        self._waiting: deque[R] = deque()
        self._under_way: dict[int, float] = {}  # when each batch left
        self._last = 0
        self._durations: deque[float] = deque(maxlen=REMEMBERED)
        self._scheduled: asyncio.Handle | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nobody waits and nothing is under way."""
        return not (self._waiting or self._under_way)

    def join(self, rider: R) -> None:
        """Wait for the next batch, with all who come in this round of the event loop."""
        self._waiting.append(rider)
        if self._scheduled is None:
            self._schedule()

    def rejoin(self, riders: Sequence[R]) -> None:
        """Wait anew, before all others."""
        self._waiting.extendleft(reversed(riders))
        self._reschedule()

    def withdraw(self, rider: R) -> None:
        """Wait no longer."""
        self._waiting.remove(rider)

    def back(self, batch: int) -> None:
        """Batch number `batch` is back: all its members have answered, or nobody waits for it any more."""
        began = self._under_way.pop(batch, None)
        if began is not None:
            self._durations.append(self._clock() - began)
            self._reschedule()

    def begin(self) -> int:
        """A batch leaves; its number."""
        self._last += 1
        self._under_way[self._last] = self._clock()
        return self._last

    def _reschedule(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._waiting or len(self._under_way) >= self._most:
            return
        loop, wait = asyncio.get_running_loop(), self._wait()
        self._scheduled = loop.call_soon(self._leave) if wait <= 0 else loop.call_later(wait, self._leave)

    def _wait(self) -> float:
        """Seconds until the next batch may leave."""
        began = self._under_way.get(self._last)
        if began is None or self._waiting[0].alone:
            return 0.0
        usual = median(self._durations) if self._durations else 0.0
        return began + usual - self._clock()

    def _leave(self) -> None:
        self._scheduled = None
        if self._waiting:
            self._depart(self._next_batch(), self.begin())
            self._schedule()

    def _next_batch(self) -> list[R]:
        first = self._waiting.popleft()
        batch, rows = [first], first.rows
        if first.alone or not self._waiting:
            return batch
        room = self._capacity([first, *self._waiting])
        while self._waiting and not self._waiting[0].alone and rows + self._waiting[0].rows <= room:
            rider = self._waiting.popleft()
            rows += rider.rows
            batch.append(rider)
        return batch

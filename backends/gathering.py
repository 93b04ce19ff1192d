"""Who leaves together, and when: concurrent calls gather while others are under way, and leave as one batch.

While nothing is under way nobody waits. Else the next batch leaves when the last one is back, or when it has been under
way for longer than batches of late were: one that takes its time does not hold up those who come after it. Several who
could leave stay for a few rounds of the event loop more, as long as each brings others: who asked at the same time may
be read in different rounds, and a batch costs hardly more than one of them.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Generic, Protocol, TypeVar

from backends.batching import Batching
from models.errors import Overloaded
from models.types import InferRequest, alike

UNDER_WAY = 8  # batches at once
REMEMBERED = 15  # batches whose durations say how long one takes
MORE_ROUNDS = 3  # of the event loop, at most
TICK = 0.001  # seconds: uvloop's timers are in whole milliseconds, and may come early by as much
NEVER = float("inf")


class Rider(Protocol):
    """Someone who waits to leave. `alone`: with nobody else."""

    @property
    def request(self) -> InferRequest: ...

    @property
    def rows(self) -> int: ...

    @property
    def alone(self) -> bool: ...


R = TypeVar("R", bound=Rider)
Room = Callable[[R], int]
"""How many rows a batch may have in which a rider is."""


@dataclass(slots=True)
class Trip:
    """A batch under way; both times on the clock of durations. From `due` on nobody waits for it."""

    began: float
    due: float = NEVER


class Gathering(Generic[R]):
    """Gather riders and `depart` with as many as there is `room` for, in the order in which they came.

    `room` is made anew for each batch, of which the first leaves in any case. `depart` is called on the loop with the
    riders and the number of their batch, must not raise, and sees to it that `back` is told the number in the end.
    Nobody waits while fewer than `at_once` batches are under way.
    """

    def __init__(
        self,
        depart: Callable[[list[R], int], None],
        room: Callable[[], Room[R]],
        *,
        batching: Batching,
        under_way: int = UNDER_WAY,
        at_once: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if at_once < 1 or under_way < 1:
            raise ValueError(f"at_once and under_way must be positive, got {at_once} and {under_way}")
        self._depart = depart
        self._room = room
        self._batching = batching
        self._most = max(under_way, at_once)
        self._at_once = at_once
        self._clock = clock
        self._waiting: OrderedDict[R, None] = OrderedDict()
        self._under_way: dict[int, Trip] = {}
        self._last = 0
        self._durations: deque[float] = deque(maxlen=REMEMBERED)
        self._scheduled: asyncio.Handle | None = None
        self._rounds = 0  # in which others came
        self._in_last_round = 1  # how many waited then; for one alone nobody is expected

    @property
    def idle(self) -> bool:
        """Whether nobody waits, and whoever comes need not."""
        return not self._waiting and len(self._under_way) < self._at_once

    def join(self, rider: R) -> None:
        """Wait for the next batch, with all who come about now.

        Raises:
            Overloaded: too many wait already.
        """
        if self._batching.waiting >= self._batching.max_waiting:
            raise Overloaded(f"{self._batching.waiting} requests wait for the next batch")
        self._add(rider)
        if self._scheduled is None:
            self._schedule()

    def rejoin(self, riders: list[R]) -> None:
        """Wait anew, before all others."""
        for rider in reversed(riders):
            self._add(rider)
            self._waiting.move_to_end(rider, last=False)
        self._schedule()

    def withdraw(self, rider: R) -> None:
        """Wait no longer, if it still does."""
        if rider in self._waiting:
            self._remove(rider)

    def begin(self, rows: int) -> int:
        """A batch leaves; its number."""
        self._last += 1
        self._under_way[self._last] = Trip(self._clock())
        self._batching.under_way += 1
        self._batching.rows.add(rows)
        return self._last

    def nearly_back(self, batch: int) -> None:
        """Batch number `batch` only waits for stragglers: it is waited for as long again as it took until now."""
        if (trip := self._under_way.get(batch)) is not None:
            now = self._clock()
            trip.due = now + (now - trip.began)
            self._schedule()

    def back(self, batch: int) -> None:
        """Batch number `batch` is back: all its members have answered, or nobody waits for it any more."""
        if batch in self._under_way:
            self._end(batch, self._clock())
            self._schedule()

    def _end(self, batch: int, now: float) -> None:
        trip = self._under_way.pop(batch)
        self._batching.under_way -= 1
        self._durations.append(min(now, trip.due) - trip.began)

    def _add(self, rider: R) -> None:
        self._waiting[rider] = None
        self._batching.waiting += 1

    def _remove(self, rider: R) -> None:
        del self._waiting[rider]
        self._batching.waiting -= 1

    def _schedule(self) -> None:
        """Leave as soon as may be, as things are now."""
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        if not self._waiting:
            return
        loop, wait = asyncio.get_running_loop(), self._wait()
        if wait <= 0:
            self._scheduled = loop.call_soon(self._leave)
        elif wait < NEVER:
            self._scheduled = loop.call_later(wait, self._leave)

    def _wait(self) -> float:
        """Seconds until the next batch may leave, as far as that is known."""
        now = self._clock()
        self._forget_overdue(now)
        if len(self._under_way) >= self._most:
            return min(trip.due for trip in self._under_way.values()) - now
        last = self._under_way.get(self._last)
        if last is None or len(self._under_way) < self._at_once or next(iter(self._waiting)).alone:
            return 0.0
        usual = median(self._durations) if self._durations else 0.0
        return min(last.began + usual, last.due) - now

    def _forget_overdue(self, now: float) -> None:
        for batch in [batch for batch, trip in self._under_way.items() if trip.due <= now + TICK]:
            self._end(batch, now)

    def _leave(self) -> None:
        self._scheduled = None
        if self._more_are_coming():
            self._scheduled = asyncio.get_running_loop().call_soon(self._leave)
            return
        self._rounds, self._in_last_round = 0, 1
        self._forget_overdue(self._clock())
        if self._waiting and len(self._under_way) < self._most:
            riders = self._next_batch()
            self._depart(riders, self.begin(sum(rider.rows for rider in riders)))
        self._schedule()

    def _more_are_coming(self) -> bool:
        if self._rounds == MORE_ROUNDS or len(self._waiting) <= self._in_last_round:
            return False
        self._rounds, self._in_last_round = self._rounds + 1, len(self._waiting)
        return True

    def _next_batch(self) -> list[R]:
        """As many as there is room for, of those who wait: the first, and whoever can go with it."""
        first, *others = self._waiting
        batch, rows = [first], first.rows
        if not first.alone:
            room_with = self._room()
            room = room_with(first)
            for rider in others:
                room, rows = min(room, room_with(rider)), rows + rider.rows
                if rows > room or rider.alone or not alike(first.request, rider.request):
                    break
                batch.append(rider)
        for rider in batch:
            self._remove(rider)
        return batch

"""A rate limit, as a provider counts it: so many calls begin in any stretch of time."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from asyncio_throttle.throttler import Throttler

from backends.base import Backend
from models.deadline import Deadline, remaining
from models.errors import LateInQueue, RateLimited
from models.types import InferRequest, InferResponse

POLL_SECONDS = 0.001


class Throttle:
    """At most `rate` calls begin in any `period` seconds, and `places` are under way; others wait in line.

    asyncio-throttle keeps the window, exactly, but whoever waits for it polls. So only the head of the line asks it,
    and not before its start is due. The line is first come, first served, and at most `waiting` long. A call has begun
    once its turn has come, whatever becomes of it. `clock` is the one that the throttler reads.

    Raises:
        RateLimited: the line is full, or the call could begin only after its deadline; at once.
        LateInQueue: the deadline came before the turn did, which those ahead had made to seem possible.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        rate: int,
        period: float,
        waiting: int,
        places: asyncio.Semaphore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rate < 1 or waiting < 1:
            raise ValueError(f"rate and waiting must be positive, got {rate}, {waiting}")
        if not 0 < period < math.inf:
            raise ValueError(f"period must be positive, got {period}")
        self.inner = inner
        self.rate = rate
        self.period = period
        self.waiting = waiting
        self._places = places
        self._clock = clock
        self._throttler = Throttler(rate, period, POLL_SECONDS)
        self._head = asyncio.Lock()
        self._line = 0
        self._starts = deque([-math.inf] * rate, maxlen=rate)  # the last ones, oldest first

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        self._admit(deadline)
        await self._turn(deadline)
        try:
            return await self.inner(request, deadline)
        finally:
            self._places.release()

    def _admit(self, deadline: Deadline) -> None:
        wait = self.wait(self._line)
        if wait > 0 and wait >= remaining(deadline):
            raise RateLimited(f"its turn would come in {wait:.3g} s, after its deadline")
        if self._line >= self.waiting:
            raise RateLimited(f"{self._line} calls wait already")

    def wait(self, ahead: int) -> float:
        """Seconds until a call with `ahead` others before it can begin: a start once `rate` starts before is over."""
        now = self._clock()
        rounds, place = divmod(ahead, self.rate)
        return max(0.0, self._starts[place] + self.period - now) + rounds * self.period

    async def _turn(self, deadline: Deadline) -> None:
        """Wait for a place and a start, and take both."""
        self._line += 1
        try:
            async with asyncio.timeout_at(deadline) as scope, self._head:
                if (wait := self.wait(0)) > 0:
                    await asyncio.sleep(wait)
                await self._places.acquire()
                await self._begin()
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise LateInQueue("the deadline came before its turn") from error.with_traceback(None)
        finally:
            del scope  # as in `timeout`, there should be no circle
            self._line -= 1

    async def _begin(self) -> None:
        try:
            await self._throttler.acquire()  # type: ignore[no-untyped-call]  # it has no annotations
        except BaseException:
            self._places.release()
            raise
        self._starts.append(self._clock())

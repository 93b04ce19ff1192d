"""A bound on the calls under way, and on those that wait."""

import asyncio
from collections import deque

from backends.base import Backend
from backends.statistics import Statistics
from models.deadline import Deadline
from models.errors import LateInQueue, Overloaded
from models.types import InferRequest, InferResponse


class Limit:
    """At most `concurrency` calls under way and `waiting` in line, first come, first served.

    Raises:
        Overloaded: the line is full; at once.
        LateInQueue: the deadline came before the turn did.
    """

    def __init__(self, inner: Backend, *, concurrency: int, waiting: int, statistics: Statistics | None = None) -> None:
        if concurrency < 1 or waiting < 0:
            raise ValueError(f"concurrency must be positive and waiting not negative, got {concurrency}, {waiting}")
        self.inner = inner
        self.concurrency = concurrency
        self.waiting = waiting
        self._under_way = 0
        self._statistics = statistics or Statistics()
        self._line: deque[asyncio.Future[None]] = deque()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if self._under_way < self.concurrency:
            self._under_way += 1
        elif len(self._line) < self.waiting:
            await self._turn(deadline)
        else:
            raise Overloaded(f"{self._under_way} calls under way and {len(self._line)} waiting")
        try:
            return await self.inner(request, deadline)
        finally:
            self._pass_on()

    async def _turn(self, deadline: Deadline) -> None:
        """Wait in line. The place under way is handed over by whoever leaves, so nobody can slip in between."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._line.append(turn)
        self._statistics.queued += 1
        timer = loop.call_at(deadline, self._expire, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._line.remove(turn)
            else:  # our turn had just come, and nobody will use it
                self._pass_on()
            raise
        finally:
            self._statistics.queued -= 1
            timer.cancel()

    def _expire(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._line.remove(turn)
            turn.set_exception(LateInQueue("the deadline came before its turn"))

    def _pass_on(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._under_way -= 1

"""A bound on the calls under way, and on those that wait."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from backends.base import Backend
from backends.bound import Bound
from backends.budget import RetryBudget
from backends.latency import Latency
from backends.statistics import Statistics
from models.deadline import Deadline, remaining
from models.errors import LateInQueue, Overloaded, RemoteOverloaded
from models.types import InferRequest, InferResponse


class Limit:
    """At most `bound` calls under way and `waiting` in line, first come, first served.

    Who could have its turn only after its deadline is refused at once, and whose turn comes too late for an answer, as
    `latency` knows it, is not run. What is refused here is no time for second tries: `budget` is told.

    Raises:
        Overloaded: the line is full, or too long for the deadline; at once.
        LateInQueue: the deadline came before the turn did, or too soon after it.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        bound: Bound,
        waiting: int,
        statistics: Statistics | None = None,
        latency: Latency | None = None,
        budget: RetryBudget | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if bound.most < 1 or waiting < 0:
            raise ValueError(f"the bound must be positive and waiting not negative, got {bound.most}, {waiting}")
        self.inner = inner
        self.bound = bound
        self.waiting = waiting
        self._statistics = statistics or Statistics()
        self._latency = latency
        self._budget = budget
        self._clock = clock
        self._line: deque[asyncio.Future[None]] = deque()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        bound = self.bound
        if bound.under_way < bound.room and not self._line:
            bound.under_way += 1
        else:
            self._admit(deadline)
            await self._turn(request.rows, deadline)
        began = self._clock()
        try:
            response = await self.inner(request, deadline)
        except RemoteOverloaded:
            bound.refuse(began, self._clock())
            raise
        else:
            bound.succeed()
            return response
        finally:
            bound.leave(self._clock() - began)
            self._pass_on()

    def _admit(self, deadline: Deadline) -> None:
        line, wait = len(self._line), self.bound.wait(len(self._line))
        if line < self.waiting and wait <= remaining(deadline):
            return
        if self._budget is not None:
            self._budget.refuse(self._clock())
        if line >= self.waiting:
            raise Overloaded(f"{self.bound.under_way} calls under way and {line} waiting")
        raise Overloaded(f"its turn would come in about {wait:.3g} s, after its deadline")

    async def _turn(self, rows: int, deadline: Deadline) -> None:
        """Wait in line. The place under way is taken by whoever leaves, so nobody can slip in between."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._line.append(turn)
        self._statistics.queued += 1
        timer = loop.call_at(deadline, self._expire, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._line:
                self._line.remove(turn)
            elif not turn.cancelled():  # our turn had just come, and nobody will use it
                self._pass_on()
            raise
        finally:
            self._statistics.queued -= 1
            timer.cancel()
            del turn  # an error knows the frames that it came through: with it in one of them it were a circle
        if self._latency is not None and remaining(deadline) < self._latency.typical(rows):
            self._pass_on()
            raise LateInQueue("its turn came too late for an answer")

    def _expire(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._line.remove(turn)
            turn.set_exception(LateInQueue("the deadline came before its turn"))

    def _pass_on(self) -> None:
        """Give a place back, and those there are to the next in line."""
        bound = self.bound
        bound.under_way -= 1
        while self._line and bound.under_way < bound.room:
            turn = self._line.popleft()
            if not turn.done():
                bound.under_way += 1
                turn.set_result(None)

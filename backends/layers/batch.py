"""Concurrent calls become one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backends.base import Backend
from backends.cost import Cost, rows_in_time
from backends.doubt import Doubt, Inquiry, may_be_the_input
from backends.gathering import Gathering
from backends.statistics import Statistics
from models.deadline import Deadline
from models.errors import DeadlineExceeded, LateInQueue
from models.types import InferRequest, InferResponse, joined


@dataclass(slots=True, eq=False)
class Rider:
    """A call that waits for its part of a batch; `with_it` are those who still wait for the same, once it has left."""

    request: InferRequest
    deadline: Deadline
    answer: asyncio.Future[InferResponse]
    alone: bool = False
    with_it: "set[Rider] | None" = None
    inquiry: Inquiry | None = None
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = self.request.rows

    def expire(self) -> None:
        """The deadline has come."""
        if not self.answer.done():
            late = LateInQueue("the deadline came before its batch left") if self.with_it is None else None
            self.answer.set_exception(late or DeadlineExceeded("no answer by the deadline"))


class Batch:
    """Ask for concurrent calls at once, in batches of at most `max_rows` rows; a call that finds nobody goes by itself.

    A batch has the latest deadline of its riders, each of whom leaves at its own, and is cancelled when all have gone.
    It has no more rows than can be answered in half of the time that its riders have. If it fails in a way that an
    input can cause, its riders are asked once more, singly.

    Raises:
        DeadlineExceeded, LateInQueue: the deadline came first.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        max_rows: int,
        statistics: Statistics | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if max_rows < 1:
            raise ValueError(f"max_rows must be positive, got {max_rows}")
        self.inner = inner
        self.max_rows = max_rows
        self.cost = Cost()
        self._doubt = Doubt()
        self._statistics = statistics or Statistics()
        self._clock = clock
        self._gathering: Gathering[Rider] = Gathering(self._depart, self._room, clock=clock)
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by the identity of those who wait for each

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if request.stopwatch is not None or self._gathering.idle:
            return await self._alone(request, deadline)
        loop = asyncio.get_running_loop()
        rider = Rider(request, deadline, loop.create_future())
        timer = loop.call_at(deadline, rider.expire)
        self._statistics.queued += 1
        self._gathering.join(rider)
        try:
            return await rider.answer
        finally:
            timer.cancel()
            self._leave(rider)

    async def _alone(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        number, began = self._gathering.begin(), self._clock()
        try:
            response = await self.inner(request, deadline)
        finally:
            self._gathering.back(number)
        self.cost.learn(request.rows, self._clock() - began)
        return response

    def _room(self, riders: Sequence[Rider]) -> int:
        now = asyncio.get_running_loop().time()
        return rows_in_time([self.cost], [(one.rows, one.deadline - now) for one in riders], self.max_rows)

    def _depart(self, riders: list[Rider], number: int) -> None:
        self._statistics.queued -= len(riders)
        waiting = set(riders)
        for rider in riders:
            rider.with_it = waiting
        task = asyncio.get_running_loop().create_task(self._ask(riders, number))
        self._tasks[id(waiting)] = task
        task.add_done_callback(lambda task: self._ended(waiting))

    def _ended(self, waiting: set[Rider]) -> None:
        del self._tasks[id(waiting)]

    def _leave(self, rider: Rider) -> None:
        """`rider` has its answer, or does not want it any more; a batch that nobody waits for is cancelled."""
        if rider.inquiry is not None:
            answered = rider.answer.done() and not rider.answer.cancelled() and rider.answer.exception() is None
            rider.inquiry.hear(self._clock(), helped=answered)
        if rider.with_it is None:
            self._gathering.withdraw(rider)
            self._statistics.queued -= 1
            return
        rider.with_it.discard(rider)
        if not rider.with_it and (task := self._tasks.get(id(rider.with_it))) is not None:
            task.cancel()

    async def _ask(self, riders: Sequence[Rider], number: int) -> None:
        request, began = joined([rider.request for rider in riders]), self._clock()
        try:
            response = await self.inner(request, max(rider.deadline for rider in riders))
            self.cost.learn(request.rows, self._clock() - began)
            _share(response, riders)
        except DeadlineExceeded as error:
            self.cost.learn(request.rows, self._clock() - began)  # it takes so long at least
            _tell(riders, error)
        except Exception as error:
            if len(riders) > 1 and may_be_the_input(error) and self._doubt.worth_asking(self._clock()):
                self._ask_singly([rider for rider in riders if not rider.answer.done()])
            else:
                _tell(riders, error)
        finally:
            self._gathering.back(number)

    def _ask_singly(self, riders: Sequence[Rider]) -> None:
        inquiry = Inquiry(self._doubt, len(riders))
        for rider in riders:
            rider.alone, rider.inquiry, rider.with_it = True, inquiry, None
        self._statistics.queued += len(riders)
        self._gathering.rejoin(riders)


def _share(response: InferResponse, riders: Sequence[Rider]) -> None:
    first = 0
    for rider in riders:
        rows = slice(first, first + rider.rows)
        first += rider.rows
        if not rider.answer.done():
            outputs = {name: array[rows] for name, array in response.outputs.items()}
            rider.answer.set_result(InferResponse(outputs, rider.request.id, response.report.of_rows(rows)))


def _tell(riders: Sequence[Rider], error: Exception) -> None:
    for rider in riders:
        if not rider.answer.done():
            rider.answer.set_exception(error)

"""Concurrent calls become one."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backends.alarm import Alarm
from backends.base import Backend
from backends.batching import Batching
from backends.doubt import Doubt, may_be_the_input
from backends.gathering import TICK, Gathering
from backends.room import Room
from models.deadline import Deadline, remaining
from models.errors import DeadlineExceeded, LateInQueue
from models.types import InferRequest, InferResponse, joined


@dataclass(slots=True, eq=False)
class Rider:
    """A call that waits for its part of a batch; `with_it` are those who still wait for the same, once it has left.

    `error`: with which the batch failed that it was in before; now it goes alone.
    """

    request: InferRequest
    deadline: Deadline
    answer: asyncio.Future[InferResponse]
    with_it: "set[Rider] | None" = None
    error: Exception | None = None
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = self.request.rows

    @property
    def alone(self) -> bool:
        return self.error is not None

    def expire(self) -> None:
        """The deadline has come."""
        if not self.answer.done():
            late = LateInQueue("the deadline came before its batch left") if self.with_it is None else None
            self.answer.set_exception(late or DeadlineExceeded("no answer by the deadline"))


class Batch:
    """Ask for concurrent calls at once, in batches as `batching` says; a call that finds nobody goes by itself.

    A batch has the latest deadline of its riders, each of whom leaves at its own, and is cancelled when all have gone.
    It has no more rows than can be answered in half of the time that its riders have. If it fails in a way that an
    input can cause, its riders are asked once more, singly. A call that fills a batch is none of this' business.
    `at_once`: so many batches do not wait for each other, as where several processes stand behind `inner`.

    Raises:
        DeadlineExceeded, LateInQueue: the deadline came first.
        Overloaded: too many wait.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        batching: Batching,
        at_once: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self.batching = batching
        self._clock = clock
        self._doubt = Doubt()
        self._cost = batching.cost()
        self._alarm = Alarm()
        self._gathering: Gathering[Rider] = Gathering(
            self._depart, self._room, batching=batching, at_once=at_once, clock=clock
        )
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by the identity of those who wait for each

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        rows = request.rows
        if rows >= self.batching.max_rows or request.stopwatch is not None:
            self.batching.rows.add(rows)
            return await self._timed(request, rows, deadline)
        if self._gathering.idle:
            number = self._gathering.begin(rows)
            try:
                return await self._timed(request, rows, deadline)
            finally:
                self._gathering.back(number)
        return await self._in_company(request, deadline)

    async def _in_company(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        rider = Rider(request, deadline, asyncio.get_running_loop().create_future())
        self._gathering.join(rider)
        self._alarm.on(rider)
        try:
            return await rider.answer
        finally:
            self._alarm.off(rider)
            self._leave(rider)
            del rider  # an error knows the frames that it came through: with it in one of them it were a circle

    async def _timed(self, request: InferRequest, rows: int, deadline: Deadline) -> InferResponse:
        began = self._clock()
        try:
            response = await self.inner(request, deadline)
        except DeadlineExceeded:
            self._cost.late(rows, self._clock() - began)
            raise
        except asyncio.CancelledError:
            if remaining(deadline) <= TICK:  # those who wait may find out first that it is late
                self._cost.late(rows, self._clock() - began)
            raise
        self._cost.learn(rows, self._clock() - began)
        self._doubt.answered()
        return response

    def _room(self) -> Callable[[Rider], int]:
        room, now = Room([self._cost], self.batching.max_rows), asyncio.get_running_loop().time()
        return lambda rider: room.rows(rider.rows, rider.deadline - now)

    def _depart(self, riders: list[Rider], number: int) -> None:
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
        if rider.answer.done() and not rider.answer.cancelled():
            rider.answer.exception()  # which nobody may have looked at, if its caller was cancelled meanwhile
        if rider.with_it is None:
            self._gathering.withdraw(rider)
            return
        rider.with_it.discard(rider)
        if not rider.with_it and (task := self._tasks.get(id(rider.with_it))) is not None:
            task.cancel()

    async def _ask(self, riders: Sequence[Rider], number: int) -> None:
        try:
            _share(await self._together(riders), riders)
        except Exception as error:
            self._failed(riders, error)
        finally:
            self._gathering.back(number)

    async def _together(self, riders: Sequence[Rider]) -> InferResponse:
        if riders[0].error is not None and not self._doubt.worth_asking(self._clock(), 1):
            raise riders[0].error  # those before it were asked singly in vain
        request = joined([rider.request for rider in riders])
        return await self._timed(request, request.rows, max(rider.deadline for rider in riders))

    def _failed(self, riders: Sequence[Rider], error: Exception) -> None:
        """Ask the riders of a batch that failed once more, singly, where that may help someone; tell the others."""
        left, again = [rider for rider in riders if not rider.answer.done()], 0
        if may_be_the_input(error):
            if riders[0].alone:
                self._doubt.failed(self._clock())
            elif len(riders) > 1:
                again = self._doubt.worth_asking(self._clock(), len(left))
        for rider in left[again:]:
            rider.answer.set_exception(error)
        for rider in left[:again]:
            rider.error, rider.with_it = error, None
        self._gathering.rejoin(left[:again])


def _share(response: InferResponse, riders: Sequence[Rider]) -> None:
    first = 0
    for rider in riders:
        rows = slice(first, first + rider.rows)
        first += rider.rows
        if not rider.answer.done():
            outputs = {name: array[rows] for name, array in response.outputs.items()}
            rider.answer.set_result(InferResponse(outputs, rider.request.id, response.report.of_rows(rows)))

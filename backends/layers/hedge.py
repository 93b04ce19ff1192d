"""A second try elsewhere, when the first takes longer than nearly all others."""

import asyncio
import time
from collections.abc import Callable

from backends.bound import Bound
from backends.budget import RetryBudget
from backends.latency import Latency
from backends.layers.replicas import Replicas
from backends.replica import Replica
from backends.statistics import Statistics
from backends.tasks import Tasks
from models.deadline import Deadline, remaining
from models.errors import BackendError
from models.types import InferRequest, InferResponse

SLOWEST = 0.98  # of the calls are faster: the rest is just what hedges may cost. Earlier, they would be used up by it
SHORTEST_DELAY = 0.01  # seconds
BUSY = 0.8  # of the room taken: a second try would only make others wait


class Hedge:
    """Ask another replica, too, once a call takes longer than nearly all of them; the first to answer wins.

    A failure never wins: who is still out is waited for. The loser is cancelled. Only if `budget` has a hedge to spend,
    there is room, another replica can be asked, and there is time left for an answer. Dean and Barroso, "The Tail at
    Scale" (2013).

    Raises:
        BackendError: both failed, or the only one did; this is what the first says.
    """

    def __init__(
        self,
        inner: Replicas,
        *,
        budget: RetryBudget,
        bound: Bound,
        latency: Latency,
        statistics: Statistics,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self._budget = budget
        self._bound = bound
        self._latency = latency
        self._statistics = statistics
        self._clock = clock
        self._tasks = Tasks()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        slowest = self._latency.quantile(SLOWEST)
        if slowest is None or request.stopwatch is not None:
            return await self.inner(request, deadline)
        self._budget.earn_hedge()
        trail: list[Replica] = []
        first = self._start(request, deadline, trail)
        both = [first]
        try:
            await asyncio.wait(both, timeout=max(slowest, SHORTEST_DELAY))
            if first.done():
                return first.result()
            if self._may(request, deadline, trail):
                both.append(self._start_hedge(request, deadline, trail))
            return await _first_success(both)
        finally:
            for task in both:
                task.cancel()

    def _may(self, request: InferRequest, deadline: Deadline, trail: list[Replica]) -> bool:
        return (
            self._bound.use < BUSY
            and remaining(deadline) > self._latency.typical(request.rows)
            and self.inner.has_another(trail)
            and self._budget.pay_hedge(self._clock())
        )

    def _start_hedge(
        self, request: InferRequest, deadline: Deadline, trail: list[Replica]
    ) -> asyncio.Task[InferResponse]:
        self._statistics.hedges += 1
        self._budget.under_way += 1
        task = self._start(request, deadline, trail)
        task.add_done_callback(self._hedged)
        return task

    def _hedged(self, task: asyncio.Task[InferResponse]) -> None:
        self._budget.under_way -= 1
        if not task.cancelled() and task.exception() is None:
            self._statistics.hedges_won += 1

    def _start(self, request: InferRequest, deadline: Deadline, trail: list[Replica]) -> asyncio.Task[InferResponse]:
        return self._tasks.start(self.inner(request, deadline, trail))


async def _first_success(tasks: list[asyncio.Task[InferResponse]]) -> InferResponse:
    out = set(tasks)
    while out:
        done, out = await asyncio.wait(out, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and task.exception() is None:
                return task.result()
    error = tasks[0].exception()
    if len(tasks) > 1 and isinstance(error, BackendError):
        error.retryable = False  # it was tried twice
    return tasks[0].result()

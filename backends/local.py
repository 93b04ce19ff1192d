"""A model in this process."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from typing import TypeVar

import numpy as np

from backends.cost import Cost
from models.deadline import Deadline, deadline_after, remaining, to_monotonic_ns
from models.errors import DeadlineExceeded, LateInQueue, Overloaded
from models.runtimes import Model
from models.stopwatch import Stopwatch
from models.types import Array, InferRequest, InferResponse

T = TypeVar("T")

ON_LOOP_SECONDS = 0.001  # a hop to the thread and back costs 0.1 ms, and who waits for the GIL meanwhile as much again
CHUNK_SECONDS = 0.02  # a cancelled call is at most this long under way, and a small one waits for no more of each large
FIRST_CHUNK_ROWS = 256  # before anything is known
FAR = 4  # times as many rows as were seen of late: what they cost is a guess
FADE = 0.98  # per call, as in `Cost`
MAX_QUEUE = 1024  # chunks in the thread's queue, where those whose callers have gone stay until their turn


class Local:
    """Run a model in `executor`, its own single thread, in chunks of about 20 ms; tiny calls run where they come in.

    Its answers to those come without any waiting. What was cancelled while it waited for the thread, or whose deadline
    passed, is not run; nor, where others wait, what would be late when it is done. A call takes `seconds` at most, if
    given.

    Raises:
        DeadlineExceeded: the deadline came while the thread was at it; what it is at ends by itself.
        LateInQueue: the deadline passed first.
        Overloaded: the thread's queue is full, which only a model that hangs can bring about.
    """

    def __init__(
        self,
        model: Model,
        executor: Executor,
        *,
        seconds: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cost = Cost()
        self._model = model
        self._executor = executor
        self._seconds = seconds
        self._clock = clock
        self._reach = 0.0  # the most rows of a call, of late
        self._queue: deque[Future[dict[str, Array]]] = deque()
        self._last = 0  # the number of the last job

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        rows = request.rows
        if not self._busy() and self._is_tiny(rows):
            return InferResponse(self._run_here(request, rows, deadline), request.id)
        if self._seconds is not None:
            deadline = min(deadline, deadline_after(self._seconds))
        stopwatch = request.stopwatch
        parts = [await self._run(chunk, deadline, stopwatch) for chunk in self._chunks(request)]
        if stopwatch is not None:
            stopwatch.lap("return")
        whole = parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        return InferResponse(whole, request.id)

    def _run_here(self, request: InferRequest, rows: int, deadline: Deadline) -> dict[str, Array]:
        if (stopwatch := request.stopwatch) is not None:
            stopwatch.lap("wait")
        if remaining(deadline) <= 0:
            raise LateInQueue("the deadline passed before the model was free")
        outputs = self._timed(request.inputs, rows)
        if stopwatch is not None:
            stopwatch.lap("model")
            stopwatch.lap("return")
        return outputs

    def _chunks(self, request: InferRequest) -> Iterator[dict[str, Array]]:
        start = 0
        while start < request.rows:  # the size is learned while the chunks are run
            size = self.cost.rows_within(CHUNK_SECONDS, otherwise=FIRST_CHUNK_ROWS)
            size = min(size, max(FIRST_CHUNK_ROWS, int(FAR * self._reach)))
            yield {name: array[start : start + size] for name, array in request.inputs.items()}
            start += size

    async def _run(self, inputs: dict[str, Array], deadline: Deadline, stopwatch: Stopwatch | None) -> dict[str, Array]:
        if len(self._queue) >= MAX_QUEUE:
            raise Overloaded(f"{len(self._queue)} chunks wait for the model's thread")
        self._last += 1
        job = self._executor.submit(self._unless_late, inputs, self._last, to_monotonic_ns(deadline), stopwatch)
        self._queue.append(job)
        try:
            return await within(job, deadline)
        except (asyncio.CancelledError, DeadlineExceeded) as error:
            if not job.cancel():
                raise
            inputs.clear()  # it had not begun; the executor keeps it until its turn, which should not hold the rows
            if isinstance(error, DeadlineExceeded):
                raise LateInQueue("the deadline came before the model was free") from None
            raise

    def _busy(self) -> bool:
        """Whether the thread is at work, be it for a caller who has gone."""
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        return bool(self._queue)

    def _is_tiny(self, rows: int) -> bool:
        if rows > FAR * self._reach:
            return False
        expected = self.cost.predict(rows)
        return expected is not None and expected < ON_LOOP_SECONDS

    def _unless_late(
        self, inputs: dict[str, Array], number: int, expiry: int, stopwatch: Stopwatch | None
    ) -> dict[str, Array]:
        if stopwatch is not None:
            stopwatch.lap("wait")
        rows, left = len(next(iter(inputs.values()))), (expiry - time.monotonic_ns()) / 1e9
        if left <= 0:
            raise LateInQueue("the deadline passed before the model was free")
        if number != self._last and left < (self.cost.predict(rows) or 0.0):  # whoever comes next may have more
            raise LateInQueue("the model was free too late for an answer")
        outputs = self._timed(inputs, rows)
        if stopwatch is not None:
            stopwatch.lap("model")
        return outputs

    def _timed(self, inputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
        began = self._clock()
        outputs = self._model(inputs)
        self.cost.learn(rows, self._clock() - began)
        self._reach = max(rows, self._reach * FADE)
        return outputs


async def within(job: Future[T], deadline: Deadline) -> T:
    """What comes of `job`, which another thread does.

    Raises:
        DeadlineExceeded: it was not done by `deadline`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not done.done():
            done.set_result(None)

    def tell_the_loop(_: Future[T]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits
            loop.call_soon_threadsafe(tell)

    timer = loop.call_at(deadline, tell)
    job.add_done_callback(tell_the_loop)
    try:
        await done
    finally:
        timer.cancel()
    if not job.done():
        raise DeadlineExceeded("no answer by the deadline")
    return job.result()

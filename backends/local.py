"""A model in this process."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

import numpy as np

from backends.cost import Cost
from models.deadline import Deadline, to_monotonic_ns
from models.errors import LateInQueue, Overloaded
from models.runtimes import Model
from models.stopwatch import Stopwatch
from models.types import Array, InferRequest, InferResponse

ON_LOOP_SECONDS = 0.001  # a hop to the thread and back costs 0.1 ms, and who waits for the GIL meanwhile as much again
CHUNK_SECONDS = 0.05  # a cancelled call is at most this long under way
FIRST_CHUNK_ROWS = 256  # before anything is known
FAR = 4  # times as many rows as were seen of late: what they cost is a guess
FADE = 0.98  # per call, as in `Cost`
MAX_QUEUE = 1024  # chunks in the thread's queue, where those whose callers have gone stay until their turn


class Local:
    """Run a model in `executor`, its own single thread, in chunks of about 50 ms; tiny calls run where they come in.

    What was cancelled while it waited for the thread, or whose deadline passed, is not run.

    Raises:
        LateInQueue: the deadline passed first.
        Overloaded: the thread's queue is full, which only a model that hangs can bring about.
    """

    def __init__(
        self,
        model: Model,
        executor: Executor,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cost = Cost()
        self._model = model
        self._executor = executor
        self._clock = clock
        self._reach = 0.0  # the most rows of a call, of late
        self._queue: deque[Future[dict[str, Array]]] = deque()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        stopwatch = request.stopwatch
        parts = [await self._run(chunk, deadline, stopwatch) for chunk in self._chunks(request)]
        if stopwatch is not None:
            stopwatch.lap("return")
        whole = parts[0] if len(parts) == 1 else {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        return InferResponse(whole, request.id)

    def _chunks(self, request: InferRequest) -> Iterator[dict[str, Array]]:
        start = 0
        while start < request.rows:  # the size is learned while the chunks are run
            size = self.cost.rows_within(CHUNK_SECONDS, otherwise=FIRST_CHUNK_ROWS)
            size = min(size, max(FIRST_CHUNK_ROWS, int(FAR * self._reach)))
            yield {name: array[start : start + size] for name, array in request.inputs.items()}
            start += size

    async def _run(self, inputs: dict[str, Array], deadline: Deadline, stopwatch: Stopwatch | None) -> dict[str, Array]:
        rows, expiry = len(next(iter(inputs.values()))), to_monotonic_ns(deadline)
        if not self._busy() and self._is_tiny(rows):
            return self._unless_late(inputs, rows, expiry, stopwatch)
        if len(self._queue) >= MAX_QUEUE:
            raise Overloaded(f"{len(self._queue)} chunks wait for the model's thread")
        job = self._executor.submit(self._unless_late, inputs, rows, expiry, stopwatch)
        self._queue.append(job)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if job.cancel():  # it had not begun; the executor keeps it until its turn, which should not hold the rows
                inputs.clear()
            raise

    def _busy(self) -> bool:
        """Whether the thread is at work, be it for a caller who has gone."""
        while self._queue and self._queue[0].done():
            self._queue.popleft()
        return bool(self._queue)

    def _is_tiny(self, rows: int) -> bool:
        expected = self.cost.predict(rows)
        return expected is not None and expected < ON_LOOP_SECONDS and rows <= FAR * self._reach

    def _unless_late(
        self, inputs: dict[str, Array], rows: int, expiry: int, stopwatch: Stopwatch | None
    ) -> dict[str, Array]:
        if stopwatch is not None:
            stopwatch.lap("wait")
        if time.monotonic_ns() >= expiry:
            raise LateInQueue("the deadline passed before the model was free")
        began = self._clock()
        outputs = self._model(inputs)
        if stopwatch is not None:
            stopwatch.lap("model")
        self.cost.learn(rows, self._clock() - began)
        self._reach = max(float(rows), self._reach * FADE)
        return outputs

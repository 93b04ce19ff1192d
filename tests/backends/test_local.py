"""A model in this process: mostly with a thread that the test plays itself, step by step."""

import asyncio
import gc
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest

from backends import local
from backends.local import FIRST_CHUNK_ROWS, Local
from models.deadline import deadline_after, remaining
from models.errors import DeadlineExceeded, InvalidAnswer, LateInQueue, ModelFailed, Overloaded
from models.runtimes import Model
from models.runtimes.base import Trusted
from models.types import PREDICTIONS, Array, InferRequest, InferResponse
from tests.fakes import NUMBER, now, settle


class ByHand(Executor):
    """A thread that the test plays: it takes up the oldest piece of work at `begin`, and ends it at `finish`."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._begun: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, partial(work, *args, **kwargs)))
        return future

    def begin(self) -> None:
        future, work = self.waiting.popleft()
        if future.set_running_or_notify_cancel():
            self._begun.append((future, work))

    def finish(self) -> None:
        future, work = self._begun.popleft()
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    async def run(self) -> None:
        """All that waits, and what comes of it."""
        await settle()
        while self.waiting:
            self.begin()
            if self._begun:
                self.finish()
            await settle()


class First:
    """A model that says each row's first feature; `seen` are the rows of each of its calls."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        column = inputs["features"][:, 0].astype(np.float64)
        self.seen.append(column.tolist())
        return {PREDICTIONS: column}


class Held(First):
    """The same in a real thread, where each call waits for `go`; `begun` is set, in the loop, when it does."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.go = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        said = super().__call__(inputs)
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.go.wait(10)
        return said


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def numbered(rows: int, first: int = 0) -> InferRequest:
    """A request whose rows are numbered."""
    column = np.arange(first, first + rows, dtype=np.float32)
    return InferRequest({"features": np.stack([column, column], axis=1)}, "the-id")


def taking(*seconds: float) -> Callable[[], float]:
    """A clock by which calls take so long, one after the other, and the last of `seconds` from then on."""
    durations = iter([*seconds, *[seconds[-1]] * 1000])
    total, calls = 0.0, count()

    def clock() -> float:
        nonlocal total
        if next(calls) % 2:
            total += next(durations)
        return total

    return clock


async def learned(model: Model, executor: ByHand, clock: Callable[[], float], *rows: int) -> Local:
    """A `Local` that has answered calls of so many rows."""
    backend = Local(model, executor, clock=clock)
    for size in rows:
        task = asyncio.create_task(backend(numbered(size), deadline_after(5)))
        await executor.run()
        await task
    return backend


async def at_once(call: Coroutine[Any, Any, InferResponse]) -> InferResponse:
    """What comes of a call for which nobody has to do anything."""
    task = asyncio.create_task(call)
    await settle()
    assert task.done()
    return task.result()


async def test_a_call_is_answered_from_the_thread(thread: ThreadPoolExecutor) -> None:
    response = await Local(First(), thread)(numbered(3), deadline_after(5))
    assert response.id == "the-id"
    assert response.outputs[PREDICTIONS].tolist() == [0, 1, 2]


@pytest.mark.sockets  # real time: the thread has to be waited for
async def test_chunks_come_together_in_the_order_of_their_rows(thread: ThreadPoolExecutor) -> None:
    model, rows = First(), 3 * FIRST_CHUNK_ROWS + 7
    response = await Local(model, thread)(numbered(rows), deadline_after(5))
    assert len(model.seen) > 1
    assert response.outputs[PREDICTIONS].tolist() == list(range(rows))


async def test_the_size_of_a_chunk_is_learned_from_those_before_it() -> None:
    model, thread = First(), ByHand()
    backend = Local(model, thread, clock=taking(1.0))  # 256 rows in a second: 5 in 20 ms
    task = asyncio.create_task(backend(numbered(300), deadline_after(5)))
    await thread.run()
    assert [len(rows) for rows in model.seen[:2]] == [256, 5]
    assert len((await task).outputs[PREDICTIONS]) == 300


async def test_no_chunk_is_much_larger_than_what_was_seen() -> None:
    """By one row in 0.3 ms and two in 0.25 ms, a million would take no longer."""
    model, thread = First(), ByHand()
    backend = await learned(model, thread, taking(0.0003, 0.00025, 0.1), 1, 2)
    task = asyncio.create_task(backend(numbered(100_000), deadline_after(5)))
    await settle()
    thread.begin()
    thread.finish()
    assert len(model.seen[-1]) == FIRST_CHUNK_ROWS
    task.cancel()
    await settle()


async def test_a_tiny_call_runs_where_it_comes_in_once_its_cost_is_learned() -> None:
    model, thread = First(), ByHand()
    backend = await learned(model, thread, taking(0.0005), 1)
    response = await at_once(backend(numbered(1, first=7), deadline_after(5)))
    assert response.outputs[PREDICTIONS].tolist() == [7]


@pytest.mark.parametrize(("seconds", "rows"), [(0.0015, 1), (0.0005, 3)])
async def test_any_other_call_goes_to_the_thread(seconds: float, rows: int) -> None:
    thread = ByHand()
    backend = await learned(First(), thread, taking(seconds), 1)
    task = asyncio.create_task(backend(numbered(rows), deadline_after(5)))
    await settle()
    assert len(thread.waiting) == 1
    await thread.run()
    assert await task


async def test_a_call_of_unseen_size_goes_to_the_thread_whatever_the_line_says() -> None:
    """By one row in 0.75 ms and two in 0.5 ms, a hundred would take no longer."""
    thread = ByHand()
    backend = await learned(First(), thread, taking(0.00075, 0.0005), 1, 2)
    task = asyncio.create_task(backend(numbered(100), deadline_after(5)))
    await settle()
    assert len(thread.waiting) == 1
    await thread.run()
    assert await task


async def test_a_call_that_became_slow_goes_back_to_the_thread() -> None:
    thread = ByHand()
    backend = await learned(First(), thread, taking(0.0005, 1.0), 1)
    await at_once(backend(numbered(1), deadline_after(5)))
    task = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await settle()
    assert len(thread.waiting) == 1
    await thread.run()
    assert await task


async def test_a_tiny_call_does_not_run_beside_the_thread() -> None:
    model, thread = First(), ByHand()
    backend = await learned(model, thread, taking(0.0005), 1)
    long = asyncio.create_task(backend(numbered(100), deadline_after(5)))
    await settle()
    thread.begin()
    tiny = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await settle()
    assert len(thread.waiting) == 1
    thread.finish()
    await thread.run()
    assert len((await long).outputs[PREDICTIONS]) == 100
    assert len((await tiny).outputs[PREDICTIONS]) == 1
    await at_once(backend(numbered(1), deadline_after(5)))  # and now it may run here again


async def test_nor_while_the_thread_ends_what_was_cancelled() -> None:
    thread = ByHand()
    backend = await learned(First(), thread, taking(0.0005), 1)
    long = asyncio.create_task(backend(numbered(100), deadline_after(5)))
    await settle()
    thread.begin()
    long.cancel()
    await settle()
    assert long.cancelled()
    tiny = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await settle()
    assert len(thread.waiting) == 1
    thread.finish()
    await thread.run()
    assert await tiny


@pytest.mark.sockets  # as above
async def test_a_cancelled_call_returns_at_once_and_its_other_chunks_are_not_run(thread: ThreadPoolExecutor) -> None:
    model = Held()
    backend = Local(model, thread)
    task = asyncio.create_task(backend(numbered(3 * FIRST_CHUNK_ROWS), deadline_after(5)))
    await model.begun.wait()
    task.cancel()
    await settle()
    assert task.cancelled()  # though the thread is still held
    model.go.set()
    assert (await backend(numbered(1, first=-1), deadline_after(5))).outputs[PREDICTIONS].tolist() == [-1]
    assert [len(rows) for rows in model.seen] == [FIRST_CHUNK_ROWS, 1]


async def test_a_call_that_is_cancelled_while_it_waits_is_not_run() -> None:
    model, thread = First(), ByHand()
    backend = Local(model, thread)
    first = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await settle()
    thread.begin()
    second, third = (asyncio.create_task(backend(numbered(1, first=n), deadline_after(5))) for n in (2, 3))
    await settle()
    second.cancel()
    await settle()
    assert second.cancelled()
    thread.finish()
    await thread.run()
    assert await first
    assert await third
    assert model.seen == [[0], [3]]


async def test_a_cancelled_call_leaves_no_rows_in_the_queue() -> None:
    thread = ByHand()
    request = numbered(1000)
    rows = weakref.ref(request.inputs["features"])
    task = asyncio.create_task(Local(First(), thread)(request, deadline_after(5)))
    await settle()
    task.cancel()
    await settle()
    del task, request
    gc.collect()
    assert thread.waiting  # it stays there until its turn
    assert rows() is None


async def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MAX_QUEUE", 3)
    thread = ByHand()
    backend = Local(First(), thread)
    tasks = [asyncio.create_task(backend(numbered(1), deadline_after(5))) for _ in range(3)]
    await settle()
    thread.begin()  # and hangs
    for task in tasks:
        task.cancel()
    await settle()
    with pytest.raises(Overloaded):
        await at_once(backend(numbered(1), deadline_after(5)))
    thread.finish()
    after = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await thread.run()
    assert await after


async def test_a_call_whose_deadline_passed_while_it_waited_is_not_run() -> None:
    model, thread = First(), ByHand()
    with pytest.raises(LateInQueue):
        await Local(model, thread)(numbered(1), deadline_after(1))
    assert now() == 1
    await thread.run()
    assert not model.seen


async def test_a_tiny_call_whose_deadline_has_passed_is_not_run_either() -> None:
    model, thread = First(), ByHand()
    backend = await learned(model, thread, taking(0.0005), 1)
    with pytest.raises(LateInQueue):
        await at_once(backend(numbered(1), deadline_after(0)))
    assert len(model.seen) == 1


async def test_what_would_be_late_when_it_is_done_is_not_run_while_others_wait() -> None:
    model, thread = First(), ByHand()
    backend = await learned(model, thread, taking(1.0), 1)
    hurried, next_one = (
        asyncio.create_task(backend(numbered(1, first), deadline_after(seconds)))
        for first, seconds in ((7, 0.5), (8, 5))
    )
    await thread.run()
    with pytest.raises(LateInQueue, match="too late for an answer"):
        await hurried
    assert (await next_one).outputs[PREDICTIONS] == 8
    assert model.seen == [[0], [8]]


async def test_but_it_is_while_nobody_else_does_for_it_may_be_faster_now() -> None:
    model, thread = First(), ByHand()
    backend = await learned(model, thread, taking(1.0), 1)
    hurried = asyncio.create_task(backend(numbered(1, 7), deadline_after(0.5)))
    await thread.run()
    assert (await hurried).outputs[PREDICTIONS] == 7


async def test_no_chunk_is_begun_after_the_deadline() -> None:
    model, thread = First(), ByHand()
    task = asyncio.create_task(Local(model, thread)(numbered(2 * FIRST_CHUNK_ROWS), deadline_after(1)))
    await settle()
    thread.begin()
    await asyncio.sleep(1)
    with pytest.raises(DeadlineExceeded):
        await task
    thread.finish()
    await thread.run()
    assert len(model.seen) == 1


@pytest.mark.sockets  # real time: the thread has to be waited for
async def test_the_deadline_holds_behind_a_busy_thread(thread: ThreadPoolExecutor) -> None:
    model = Held()
    backend = Local(model, thread)
    first = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await model.begun.wait()
    deadline = deadline_after(0.02)
    late = asyncio.create_task(backend(numbered(1, first=2), deadline))
    asyncio.get_running_loop().call_later(remaining(deadline) + 0.01, model.go.set)
    with pytest.raises(LateInQueue):
        await late
    assert await first
    assert model.seen == [[0]]


async def test_a_timeout_ends_a_call_whose_thread_hangs(thread: ThreadPoolExecutor) -> None:
    model = Held()
    backend = Local(model, thread, seconds=1)
    with pytest.raises(DeadlineExceeded):
        await backend(numbered(1), deadline_after(5))
    assert now() == 1
    model.go.set()


@pytest.mark.parametrize("tiny", [False, True])
async def test_what_the_model_raises_comes_through(tiny: bool) -> None:
    said: list[object] = [[1.0], [[1.0, 2.0]], [np.nan], ZeroDivisionError("by zero"), [1.0]]

    def model(inputs: Mapping[str, Array], /) -> dict[str, Array]:
        answer = said.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {PREDICTIONS: np.array(answer)}

    thread = ByHand()
    backend = await learned(Trusted(model, NUMBER), thread, taking(0.0 if tiny else 1.0), 1)
    for error in (InvalidAnswer, InvalidAnswer, ModelFailed):
        task = asyncio.create_task(backend(numbered(1), deadline_after(5)))
        await settle()
        assert bool(thread.waiting) is not tiny
        await thread.run()
        with pytest.raises(error):
            await task
    after = asyncio.create_task(backend(numbered(1), deadline_after(5)))
    await thread.run()
    assert await after


async def test_a_bug_is_not_taken_for_a_failure(thread: ThreadPoolExecutor) -> None:
    def model(inputs: Mapping[str, Array], /) -> dict[str, Array]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Local(model, thread)(numbered(1), deadline_after(5))


@pytest.mark.sockets  # as above
async def test_a_model_that_hangs_does_not_disturb_another(thread: ThreadPoolExecutor) -> None:
    hung = Held()
    stuck = Local(hung, thread)
    waiting = [asyncio.create_task(stuck(numbered(1), deadline_after(5))) for _ in range(64)]
    await hung.begun.wait()
    with ThreadPoolExecutor(1) as own:
        for _ in range(20):
            assert await Local(First(), own)(numbered(1), deadline_after(5))
    assert not any(task.done() for task in waiting)
    hung.go.set()
    await asyncio.gather(*waiting)

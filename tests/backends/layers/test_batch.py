"""Calls that are asked together, each with its own deadline and fate."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from backends.batching import Batching
from backends.doubt import ENOUGH
from backends.gathering import UNDER_WAY
from backends.layers.batch import Batch
from backends.layers.timeout import Timeout
from models.deadline import Deadline, deadline_after
from models.errors import ConnectFailed, DeadlineExceeded, InvalidAnswer, LateInQueue, ModelFailed, Overloaded
from models.stopwatch import Stopwatch
from models.types import PREDICTIONS, Array, InferRequest, InferResponse, Report
from tests.circles import no_errors_in_circles
from tests.fakes import now, settle

POISON = -1.0


class Model:
    """Answers each row with the double of it after `delay` seconds; rows of `POISON` make it fail."""

    def __init__(self, delay: float = 1.0, *, error: Exception | None = None) -> None:
        self.delay = delay
        self.error = error
        self.failing = False
        self.calls: list[list[float]] = []
        self.deadlines: list[float] = []
        self.requests: list[InferRequest] = []
        self.cancelled = 0

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        values = request.inputs["x"][:, 0]
        self.calls.append(values.tolist())
        self.deadlines.append(deadline)
        self.requests.append(request)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.failing or POISON in values:
            raise self.error or ModelFailed("it raised")
        return InferResponse({PREDICTIONS: values * 2}, request.id, Report(agreement=values / 10))


def ask(*values: float, name: str = "") -> InferRequest:
    return InferRequest({"x": np.array(values, float)[:, None]}, name)


def said(response: InferResponse) -> list[float]:
    return list(response.outputs[PREDICTIONS].tolist())


def batched(model: Model, *, max_rows: int = 64, max_waiting: int = 1024, at_once: int = 1) -> Batch:
    batching = Batching(max_rows=max_rows, max_waiting=max_waiting)
    return Batch(model, batching=batching, at_once=at_once, clock=now)


async def taught(batch: Batch, seconds: float = 1.0) -> Batch:
    """One that has seen that a call takes a second."""
    await batch(ask(0), deadline_after(99))
    return batch


def begin(batch: Batch, *calls: tuple[InferRequest, float]) -> "list[asyncio.Task[InferResponse]]":
    return [asyncio.create_task(batch(request, deadline_after(seconds))) for request, seconds in calls]


def nothing_is_left(batch: Batch) -> bool:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    return (batch.batching.waiting, batch.batching.under_way, tasks) == (0, 0, [])


async def test_a_call_that_finds_nobody_goes_by_itself_and_at_once() -> None:
    model = Model()
    request = ask(1, name="mine")
    response = await batched(model)(request, deadline_after(5))
    assert (said(response), response.id, now()) == ([2], "mine", 1)
    assert model.requests == [request]


async def test_calls_that_come_meanwhile_are_asked_as_one_and_each_gets_its_own_rows() -> None:
    batch = await taught(batched(model := Model()))
    tasks = begin(batch, (ask(1), 9), (ask(2, 3, name="two"), 9), (ask(4, name="four"), 9), (ask(5), 9))
    responses = await asyncio.gather(*tasks)
    assert model.calls == [[0], [1], [2, 3, 4, 5]]
    assert [said(one) for one in responses] == [[2], [4, 6], [8], [10]]
    assert [one.id for one in responses] == ["", "two", "four", ""]
    assert [one.report.agreement is not None and one.report.agreement.tolist() for one in responses][1:] == [
        [0.2, 0.3],
        [0.4],
        [0.5],
    ]
    assert now() == 3
    assert nothing_is_left(batch)


async def test_a_batch_has_the_latest_deadline_of_its_riders() -> None:
    batch = await taught(batched(model := Model()))
    await asyncio.gather(*begin(batch, (ask(1), 50), (ask(2), 10), (ask(3), 30), (ask(4), 20)))
    assert model.deadlines == [99, 51, 31]


async def test_each_rider_leaves_at_its_own_deadline_and_the_others_go_on() -> None:
    batch = await taught(batched(model := Model()))
    first, soon, late = begin(batch, (ask(1), 50), (ask(2), 1.5), (ask(3), 50))
    with pytest.raises(DeadlineExceeded) as caught:
        await soon
    assert (caught.value.reason, now()) == ("timeout", 2.5)
    assert [said(one) for one in await asyncio.gather(first, late)] == [[2], [6]]
    assert (model.cancelled, now()) == (0, 3)


async def test_a_deadline_that_comes_before_the_batch_has_left_is_late_in_the_queue() -> None:
    batch = await taught(batched(model := Model()))
    first, soon, late = begin(batch, (ask(1), 50), (ask(2), 0.5), (ask(3), 50))
    with pytest.raises(LateInQueue):
        await soon
    assert (now(), batch.batching.waiting) == (1.5, 1)
    await asyncio.gather(first, late)
    assert model.calls == [[0], [1], [3]]


async def test_nor_is_anything_left_of_who_has_waited_in_vain() -> None:
    batch = await taught(batched(Model()))
    with no_errors_in_circles():
        first, soon = begin(batch, (ask(1), 50), (ask(2), 0.5))
        with pytest.raises(LateInQueue):
            await soon
        await first
        del first, soon


async def test_who_hangs_up_while_it_gathers_is_not_asked_for() -> None:
    batch = await taught(batched(model := Model()))
    first, gone, stays = begin(batch, (ask(1), 50), (ask(2), 50), (ask(3), 50))
    await settle()
    gone.cancel()
    await asyncio.wait([first, gone, stays])
    assert (gone.cancelled(), said(stays.result()), model.calls) == (True, [6], [[0], [1], [3]])
    assert nothing_is_left(batch)


async def test_who_hangs_up_under_way_harms_nobody() -> None:
    batch = await taught(batched(model := Model()))
    first, gone, stays = begin(batch, (ask(1), 50), (ask(2), 50), (ask(3), 50))
    await asyncio.sleep(1.5)
    gone.cancel()
    await asyncio.wait([first, gone, stays])
    assert (gone.cancelled(), said(stays.result()), model.cancelled, now()) == (True, [6], 0, 3)


async def test_the_last_that_hangs_up_cancels_the_call() -> None:
    batch = await taught(batched(model := Model(), max_rows=4))
    first, *gone = begin(batch, (ask(1), 50), (ask(2), 50), (ask(3), 50))
    await asyncio.sleep(1.5)
    for one in gone:
        assert model.cancelled == 0
        one.cancel()
        await settle()
    assert (first.done(), model.cancelled) == (True, 1)
    assert nothing_is_left(batch)
    assert said(await batch(ask(7), deadline_after(9))) == [14]  # and it goes on


async def test_the_last_whose_deadline_comes_cancels_the_call() -> None:
    batch = await taught(batched(model := Model()))
    first, *late = begin(batch, (ask(1), 50), (ask(2), 1.5), (ask(3), 1.7))
    await asyncio.wait([first, *late])
    await settle()
    assert (model.cancelled, now()) == (1, 2.7)
    assert nothing_is_left(batch)


async def test_who_is_alone_is_cancelled_with_its_caller() -> None:
    batch = batched(model := Model())
    (gone,) = begin(batch, (ask(1), 50))
    await settle()
    gone.cancel()
    await settle()
    assert model.cancelled == 1
    assert nothing_is_left(batch)


@pytest.mark.parametrize("error", [ModelFailed("it raised"), InvalidAnswer("NaN"), ValueError("a bug")])
async def test_one_that_spoils_a_batch_harms_nobody_else(error: Exception) -> None:
    batch = await taught(batched(model := Model(error=error)))
    tasks = begin(batch, (ask(1), 50), (ask(2), 50), (ask(3, POISON), 50), (ask(4), 50))
    await asyncio.wait(tasks)
    assert model.calls == [[0], [1], [2, 3, POISON, 4], [2], [3, POISON], [4]]
    assert [task.exception() or said(task.result()) for task in tasks] == [[2], [4], error, [8]]
    assert now() == 4
    assert nothing_is_left(batch)


async def test_who_is_asked_singly_keeps_its_deadline() -> None:
    batch = await taught(batched(Model()))
    _, poison, soon = begin(batch, (ask(1), 50), (ask(POISON), 50), (ask(2), 2.5))
    with pytest.raises(DeadlineExceeded):
        await soon
    assert now() == 3.5
    with pytest.raises(ModelFailed):
        await poison


async def test_who_hangs_up_while_it_waits_to_be_asked_singly_is_not_asked() -> None:
    batch = await taught(batched(model := Model()))
    tasks = begin(batch, (ask(1), 50), (ask(POISON), 50), *((ask(at), 50) for at in range(2, 2 + UNDER_WAY)))
    await asyncio.sleep(2.5)  # the first eight are under way, singly
    assert len(model.calls) == 3 + UNDER_WAY
    tasks[-1].cancel()
    await asyncio.wait(tasks)
    assert len(model.calls) == 3 + UNDER_WAY
    assert nothing_is_left(batch)


@pytest.mark.parametrize("error", [ConnectFailed("refused"), DeadlineExceeded("no"), Overloaded("full")])
async def test_what_no_input_can_cause_is_told_to_everyone_and_nobody_is_asked_again(error: Exception) -> None:
    batch = await taught(batched(model := Model(error=error)))
    tasks = begin(batch, (ask(1), 50), (ask(2), 50), (ask(POISON), 50))
    await asyncio.wait(tasks)
    assert [task.exception() for task in tasks] == [None, error, error]
    assert len(model.calls) == 3
    assert nothing_is_left(batch)


async def test_who_fails_alone_is_not_asked_again() -> None:
    batch = batched(model := Model())
    with pytest.raises(ModelFailed):
        await batch(ask(POISON), deadline_after(9))
    assert len(model.calls) == 1
    tasks = begin(batch, (ask(1), 9), (ask(POISON), 9))
    await asyncio.wait(tasks)
    assert len(model.calls) == 3


async def test_one_that_is_ill_is_not_asked_65_times_as_often() -> None:
    batch = await taught(batched(model := Model(delay=0.01)))
    model.failing = True
    tasks = begin(batch, (ask(1), 50), *((ask(2), 50) for _ in range(60)))
    await asyncio.wait(tasks)
    assert all(isinstance(task.exception(), ModelFailed) for task in tasks)
    singly = len(model.calls) - 3
    assert ENOUGH <= singly < ENOUGH + UNDER_WAY
    model.calls.clear()
    tasks = begin(batch, (ask(1), 50), *((ask(2), 50) for _ in range(60)))
    await asyncio.wait(tasks)
    assert [len(call) for call in model.calls] == [1, 60]
    assert all(isinstance(task.exception(), ModelFailed) for task in tasks)
    assert nothing_is_left(batch)


async def test_after_a_pause_one_is_asked_singly_and_if_it_is_well_all_are_from_then_on() -> None:
    batch = await taught(batched(model := Model(delay=0.01)))
    model.failing = True
    await asyncio.wait(begin(batch, (ask(1), 50), *((ask(2), 50) for _ in range(60))))
    await asyncio.sleep(2)
    model.failing = False
    model.calls.clear()
    first, second, poison, third = begin(batch, (ask(POISON), 50), (ask(2), 50), (ask(POISON), 50), (ask(3), 50))
    await asyncio.wait([first, second, poison, third])
    assert model.calls == [[POISON], [2, POISON, 3], [2]]
    assert [said(second.result()), type(poison.exception()), type(third.exception())] == [[4], ModelFailed, ModelFailed]
    first, second, poison, third = begin(batch, (ask(1), 50), (ask(2), 50), (ask(POISON), 50), (ask(3), 50))
    await asyncio.wait([first, second, poison, third])
    assert [said(one.result()) for one in (first, second, third)] == [[2], [4], [6]]
    assert nothing_is_left(batch)


async def test_it_goes_on_after_a_failure() -> None:
    batch = await taught(batched(model := Model()))
    model.failing = True
    await asyncio.wait(begin(batch, (ask(1), 9), (ask(2), 9)))
    model.failing = False
    tasks = begin(batch, (ask(1), 9), (ask(2), 9), (ask(3), 9))
    assert [said(one) for one in await asyncio.gather(*tasks)] == [[2], [4], [6]]


async def test_a_batch_has_no_more_rows_than_it_may() -> None:
    batch = await taught(batched(model := Model(), max_rows=3))
    tasks = begin(batch, *((ask(at), 99) for at in range(6)))
    await asyncio.gather(*tasks)
    assert model.calls == [[0], [0], [1, 2, 3], [4, 5]]


async def test_it_has_no_more_rows_than_can_be_done_in_half_of_the_time_that_its_riders_have() -> None:
    class Slow(Model):
        async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
            self.delay = 0.1 * request.rows
            return await super().__call__(request, deadline)

    batch = batched(model := Slow())
    for rows in (1, 10):
        await batch(ask(*[0] * rows), deadline_after(99))
    model.calls.clear()
    tasks = begin(batch, (ask(0), 99), *((ask(at), 1.3) for at in range(30)))
    await asyncio.wait(tasks)
    assert [len(call) for call in model.calls[:2]] == [1, 6]
    assert nothing_is_left(batch)


async def test_a_call_that_fills_a_batch_holds_up_nobody_and_is_held_up_by_nobody() -> None:
    batch = await taught(batched(model := Model(), max_rows=3))
    tasks = begin(batch, (ask(1, 2, 3), 50), (ask(4), 50), (ask(5, 6, 7), 50), (ask(8), 50))
    await settle()
    assert model.calls[1:] == [[1, 2, 3], [4], [5, 6, 7]]
    await asyncio.gather(*tasks)
    assert now() == 3
    assert sum(batch.batching.rows.counts) == 5


async def test_a_call_with_a_stopwatch_is_asked_by_itself() -> None:
    batch = await taught(batched(model := Model()))
    timed = InferRequest({"x": np.ones((1, 1))}, stopwatch=Stopwatch())
    tasks = begin(batch, (ask(1), 50), (timed, 50))
    await settle()
    assert model.requests[-1] is timed
    await asyncio.gather(*tasks)


async def test_what_cannot_be_one_call_is_asked_apart() -> None:
    batch = await taught(batched(model := Model()))

    def of(array: Array) -> InferRequest:
        return InferRequest({"x": array})

    tasks = begin(
        batch,
        (ask(1), 50),
        (of(np.ones((1, 1), np.float32)), 50),
        (of(np.ones((1, 2), np.float32)), 50),
        (of(np.ones((1, 1), np.float64)), 50),
    )
    responses = await asyncio.gather(*tasks)
    assert [one.inputs["x"].dtype.itemsize for one in model.requests[2:]] == [4, 4, 8]
    assert [said(one) for one in responses] == [[2]] * 4


async def test_who_finds_too_many_waiting_is_refused_at_once() -> None:
    batch = await taught(batched(Model(), max_waiting=2))
    tasks = begin(batch, *((ask(at), 50) for at in range(4)))
    await asyncio.wait(tasks)
    assert isinstance(tasks[3].exception(), Overloaded)
    assert [said(one.result()) for one in tasks[:3]] == [[0], [2], [4]]
    assert nothing_is_left(batch)


async def test_several_processes_are_asked_at_once() -> None:
    batch = await taught(batched(model := Model(), at_once=2))
    await asyncio.gather(*begin(batch, *((ask(at), 50) for at in range(5))))
    assert model.calls == [[0], [0], [1], [2, 3, 4]]


async def test_that_a_call_takes_too_long_makes_batches_smaller_until_one_is_answered() -> None:
    batch = batched(model := Model(delay=0.02))
    for rows in (1, 10):
        model.delay = 0.01 + 0.001 * rows
        await batch(ask(*[0] * rows), deadline_after(1))
    expected = batch.batching.cost().predict(10)
    model.delay = 99
    with pytest.raises(DeadlineExceeded):
        await Timeout(batch, seconds=None)(ask(*[0] * 10), deadline_after(0.2))
    assert batch.batching.cost().predict(10) == pytest.approx(0.2)
    model.delay = 0.02
    await batch(ask(*[0] * 10), deadline_after(1))
    assert batch.batching.cost().predict(10) == pytest.approx(expected, rel=0.01)


async def test_a_call_that_its_caller_gave_up_early_says_nothing_about_its_cost() -> None:
    batch = batched(model := Model(delay=0.01))
    await batch(ask(1), deadline_after(1))
    model.delay = 99
    (gone,) = begin(batch, (ask(1), 50))
    await asyncio.sleep(10)
    gone.cancel()
    await settle()
    assert batch.batching.cost().predict(1) == pytest.approx(0.01)


async def test_an_error_that_nobody_waited_for_any_more_is_not_reported_as_lost() -> None:
    lost: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    batch = await taught(batched(model := Model()))
    _, *gone = begin(batch, (ask(1), 50), (ask(2), 1.5), (ask(3), 2.5))
    for one, at in zip(gone, (2.5, 3.5), strict=True):  # at the very moment of its deadline
        asyncio.get_running_loop().call_at(at, one.cancel)
    await asyncio.wait(gone)
    del gone
    await settle()
    assert (lost, model.cancelled) == ([], 0)


@pytest.mark.parametrize("make", [lambda: Batching(max_rows=0), lambda: Batching(max_rows=1, max_waiting=0)])
def test_options_are_checked(make: Callable[[], Batching]) -> None:
    with pytest.raises(ValueError, match="must be positive, got"):
        make()

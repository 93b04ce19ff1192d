import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from backends.base import Backend
from backends.budget import AT_ONCE, MOST, RetryBudget
from backends.latency import Latency
from backends.layers.retry import LONGEST_BACKOFF, Retry
from backends.statistics import Statistics
from models.deadline import deadline_after
from models.errors import (
    BackendError,
    BreakerOpen,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    InputRejected,
    InvalidAnswer,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    RateLimited,
    RemoteOverloaded,
    ServerFault,
)
from models.types import InferResponse
from tests.fakes import Script, now, ones, sure

GOOD = (0.1, sure(1))


def lost() -> ConnectionLost:
    return ConnectionLost("reset")


class Retried:
    """A retry around `inner`, which usually takes 0.1 s; the backoff is half of the longest."""

    def __init__(self, inner: Backend, is_askable: Callable[[], bool] = lambda: True) -> None:
        self.budget, self.statistics, latency = RetryBudget(), Statistics(), Latency()
        for _ in range(20):
            latency.add(1, 0.1)
        self.layer = Retry(
            inner,
            budget=self.budget,
            latency=latency,
            statistics=self.statistics,
            is_askable=is_askable,
            chance=lambda: 0.5,
            clock=now,
        )

    async def __call__(self, seconds: float = 1.0, needed: Callable[[], bool] | None = None) -> InferResponse:
        return await self.layer(replace(ones(), needed=needed), deadline_after(seconds))

    async def fails(self, error: type[BackendError], seconds: float = 1.0, **options: Callable[[], bool]) -> None:
        with pytest.raises(error):
            await self(seconds, **options)


async def test_an_answer_comes_through() -> None:
    inner = Script(GOOD)
    assert (await Retried(inner)()).id == "the-id"
    assert len(inner.begun) == 1


@pytest.mark.parametrize("error", [lambda: ConnectFailed("refused"), lost])
async def test_what_may_succeed_next_time_is_tried_once_more_after_a_moment(error: Callable[[], Exception]) -> None:
    inner = Script((0.2, error), GOOD)
    retried = Retried(inner)
    await retried()
    assert inner.begun == [0, 0.2 + LONGEST_BACKOFF / 2]
    assert retried.statistics.retries == 1


async def test_and_only_once() -> None:
    inner = Script((0, lost))
    await Retried(inner).fails(ConnectionLost)
    assert len(inner.begun) == 2


async def test_what_asks_for_a_while_gets_it() -> None:
    inner = Script((0, lambda: RemoteOverloaded("503", retry_after=0.3)), GOOD)
    await Retried(inner)()
    assert inner.begun == [0, 0.3 + LONGEST_BACKOFF / 2]


@pytest.mark.parametrize("after", [None, 1.0])
async def test_what_does_not_say_for_how_long_or_for_too_long_is_left_alone(after: float | None) -> None:
    inner = Script((0, lambda: RemoteOverloaded("429", retry_after=after)), GOOD)
    await Retried(inner).fails(RemoteOverloaded)
    assert len(inner.begun) == 1


@pytest.mark.parametrize(
    "error",
    [
        lambda: DeadlineExceeded("late"),
        lambda: ServerFault("500"),
        lambda: InvalidAnswer("html"),
        lambda: InputRejected("400"),
        lambda: ModelFailed("raised"),
        lambda: RateLimited("full"),
        lambda: Overloaded("full"),
        lambda: BreakerOpen("open"),
    ],
    ids=lambda make: make().reason,
)
async def test_nothing_else_is_tried_again(error: Callable[[], BackendError]) -> None:
    inner = Script((0, error), GOOD)
    await Retried(inner).fails(type(error()))
    assert len(inner.begun) == 1


async def test_an_answer_that_broke_off_is_not_asked_for_again() -> None:
    def broken_off() -> ConnectionLost:
        error = lost()
        error.retryable = False
        return error

    inner = Script((0, broken_off), GOOD)
    await Retried(inner).fails(ConnectionLost)
    assert len(inner.begun) == 1


async def test_an_ensemble_that_can_do_without_is_not_served_a_second_try() -> None:
    inner = Script((0, lost), GOOD)
    await Retried(inner).fails(ConnectionLost, needed=lambda: False)
    assert len(inner.begun) == 1
    assert await Retried(Script((0, lost), GOOD))(needed=lambda: True)


async def test_nor_is_there_one_while_the_breaker_is_open() -> None:
    inner = Script((0, lost), GOOD)
    await Retried(inner, is_askable=lambda: False).fails(ConnectionLost)
    assert len(inner.begun) == 1


async def test_nor_where_there_is_no_time_left_for_an_answer() -> None:
    inner = Script((0.9, lost), GOOD)
    await Retried(inner).fails(ConnectionLost, seconds=1.0)
    assert (len(inner.begun), now()) == (1, 0.9)


async def test_nor_while_calls_are_refused_here() -> None:
    inner = Script((0, lost), GOOD)
    retried = Retried(inner)
    retried.budget.refuse(0)
    await retried.fails(ConnectionLost)
    assert len(inner.begun) == 1


async def test_nor_while_the_server_drains() -> None:
    inner = Script((0, lost), GOOD)
    retried = Retried(inner)
    retried.budget.rest()
    await retried.fails(ConnectionLost)
    assert len(inner.begun) == 1


async def test_nor_when_the_budget_is_spent() -> None:
    inner = Script((0, lost))
    retried = Retried(inner)
    for _ in range(100):
        await retried.fails(ConnectionLost)
    assert retried.statistics.retries < MOST + now() + 1


async def test_so_many_are_under_way_at_once() -> None:
    inner = Script(*[(0.0, lost)] * 8, GOOD)
    retried = Retried(inner)
    results = await asyncio.gather(*(retried() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(result, InferResponse) for result in results) == AT_ONCE
    assert retried.budget.under_way == 0


async def test_a_second_try_that_was_never_made_is_not_what_it_failed_of() -> None:
    inner = Script((0, lost), (0, lambda: BreakerOpen("open")))
    await Retried(inner).fails(ConnectionLost)
    inner = Script((0, lost), (0, lambda: ServerFault("500")))
    await Retried(inner).fails(ServerFault)


async def test_a_callers_mistake_is_nobodys_failure() -> None:
    retried = Retried(Script((0, lambda: InvalidRequest("no"))))
    with pytest.raises(InvalidRequest):
        await retried()


@pytest.mark.parametrize("after", [0.001, 0.05])
async def test_cancellation_ends_it_be_it_before_or_in_the_second_try(after: float) -> None:
    inner = Script((0, lost), (9, sure(1)))
    retried = Retried(inner)
    task = asyncio.create_task(retried(20))
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert inner.cancelled == (after > LONGEST_BACKOFF)
    assert retried.budget.under_way == 0


async def test_after_an_outage_second_tries_are_earned_again() -> None:
    inner = Script(*[(0.0, lost)] * 40, *[(0.01, sure(1))] * 30, (0.0, lost), GOOD)
    retried = Retried(inner)
    while len(inner.begun) < 70:
        try:
            await retried()
        except ConnectionLost:
            continue
    assert await retried()

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from backends.base import Backend
from backends.layers.hedge import SHORTEST_DELAY, Hedge
from backends.layers.replicas import Replicas
from backends.replica import Replica
from backends.vitals import Vitals, fresh_vitals
from models.deadline import deadline_after
from models.errors import ConnectFailed, ConnectionLost, ServerFault
from models.stopwatch import Stopwatch
from models.types import InferResponse
from tests.fakes import Script, now, ones, settle, sure

USUAL = 0.1
DELAY = pytest.approx(USUAL, rel=0.1)  # the quantile is exact to a bucket


class Hedged:
    """A hedge over `backends`, of which the first is asked first. Calls usually take `usual` seconds."""

    def __init__(self, *backends: Backend, usual: float | None = USUAL) -> None:
        self.vitals: Vitals = fresh_vitals(limit=10)
        for _ in range(200):
            self.vitals.budget.earn_hedge()
            if usual is not None:
                self.vitals.latency.add(1, usual)
        self.replicas = Replicas([Replica(str(at), one) for at, one in enumerate(backends)], clock=now)
        for at, one in enumerate(self.replicas.replicas):
            one.in_flight = at  # so that there is an order
        self.layer = Hedge(
            self.replicas,
            budget=self.vitals.budget,
            bound=self.vitals.bound,
            latency=self.vitals.latency,
            statistics=self.vitals.statistics,
            clock=now,
        )

    async def __call__(self, seconds: float = 5.0) -> InferResponse:
        return await self.layer(ones(), deadline_after(seconds))

    @property
    def counted(self) -> tuple[int, int]:
        return self.vitals.statistics.hedges, self.vitals.statistics.hedges_won


def said(response: InferResponse) -> int:
    return int(response.outputs["probabilities"][0].argmax())


async def test_an_answer_in_the_usual_time_asks_nobody_else() -> None:
    first, second = Script((0.05, sure(1))), Script((0, sure(0)))
    hedged = Hedged(first, second)
    assert said(await hedged()) == 1
    assert (now(), second.begun, hedged.counted) == (0.05, [], (0, 0))


async def test_a_slow_one_is_overtaken_by_another_replica_and_cancelled() -> None:
    first, second = Script((9, sure(1))), Script((0.05, sure(0)))
    hedged = Hedged(first, second)
    assert said(await hedged()) == 0
    await settle()
    assert second.begun == [DELAY]
    assert (now(), first.cancelled, hedged.counted) == (second.begun[0] + 0.05, 1, (1, 1))
    assert hedged.vitals.budget.under_way == 0


async def test_the_first_may_win_all_the_same_and_then_the_hedge_is_cancelled() -> None:
    first, second = Script((0.2, sure(1))), Script((9, sure(0)))
    hedged = Hedged(first, second)
    assert said(await hedged()) == 1
    await settle()
    assert (now(), second.cancelled, hedged.counted) == (0.2, 1, (1, 0))


async def test_a_failure_never_wins() -> None:
    first, second = Script((0.5, sure(1))), Script((0.01, lambda: ServerFault("500")))
    assert said(await Hedged(first, second)()) == 1
    assert now() == 0.5
    first, second = Script((0.15, lambda: ServerFault("500"))), Script((0.5, sure(0)))
    assert said(await Hedged(first, second)()) == 0


async def test_when_both_fail_the_first_says_why_and_there_is_no_third_try() -> None:
    first = Script((0.2, lambda: ConnectionLost("reset")))
    second = Script((0.2, lambda: ServerFault("500")))
    with pytest.raises(ConnectionLost) as caught:
        await Hedged(first, second)()
    assert not caught.value.retryable


async def test_a_failure_before_the_hedge_is_the_only_one() -> None:
    second = Script((0, sure(1)))
    with pytest.raises(ConnectionLost) as caught:
        await Hedged(Script((0.01, lambda: ConnectionLost("reset"))), second)()
    assert caught.value.retryable
    assert not second.begun


async def test_quick_backends_are_given_a_moment() -> None:
    second = Script((0, sure(0)))
    await Hedged(Script((9, sure(1))), second, usual=0.001)()
    assert second.begun == [SHORTEST_DELAY]


async def test_before_anything_is_known_there_is_none() -> None:
    second = Script((0, sure(0)))
    await Hedged(Script((3, sure(1))), second, usual=None)()
    assert not second.begun


def busy(hedged: Hedged) -> None:
    hedged.vitals.bound.under_way = 8  # of 10


def spent(hedged: Hedged) -> None:
    while hedged.vitals.budget.pay_hedge(0):
        pass


def shed(hedged: Hedged) -> None:
    hedged.vitals.budget.refuse(now() + 1)


def alone(hedged: Hedged) -> None:
    hedged.replicas.replicas[1].state.phase = "away"


@pytest.mark.parametrize("why", [busy, spent, shed, alone])
async def test_there_is_none_without_room_budget_calm_or_another_replica(why: Callable[[Hedged], None]) -> None:
    second = Script((0, sure(0)))
    hedged = Hedged(Script((3, sure(1))), second)
    why(hedged)
    assert said(await hedged()) == 1
    assert (second.begun, hedged.counted) == ([], (0, 0))


async def test_nor_without_time_for_an_answer() -> None:
    second = Script((0, sure(0)))
    hedged = Hedged(Script((0.13, sure(1))), second)
    await hedged(0.15)
    assert not second.begun


async def test_cancelling_a_call_cancels_both() -> None:
    first, second = Script((9, sure(1))), Script((9, sure(0)))
    task = asyncio.create_task(Hedged(first, second)(20))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle()
    assert (first.cancelled, second.cancelled, now()) == (1, 1, 1)


async def test_a_hedge_that_is_passed_over_by_its_replica_is_no_answer() -> None:
    first, second = Script((0.5, sure(1))), Script((0, lambda: ConnectFailed("refused")))
    assert said(await Hedged(first, second)()) == 1


async def test_a_look_at_one_call_is_not_hedged() -> None:
    second = Script((0, sure(0)))
    hedged = Hedged(Script((3, sure(1))), second)
    await hedged.layer(replace(ones(), stopwatch=Stopwatch()), deadline_after(5))
    assert not second.begun


async def test_nothing_is_left_behind() -> None:
    hedged = Hedged(Script((9, sure(1))), Script((0.05, sure(0))))
    await hedged()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [one.in_flight for one in hedged.replicas.replicas] == [0, 1]

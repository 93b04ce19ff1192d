import asyncio

import numpy as np
import pytest

from backends.base import Backend
from backends.drill import Drill
from backends.layers.drill import Drilled
from backends.served import State
from backends.statistics import Statistics
from models.deadline import deadline_after
from models.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    InvalidAnswer,
    ModelFailed,
    RemoteOverloaded,
    ServerFault,
)
from models.stopwatch import Stopwatch
from models.types import InferRequest, Signature, transformer
from tests.fakes import FEATURES, NUMBER, YES_NO, Fake, now, ones, settle, sure

SLOW = Drill(kind="slow", delay=0.8)


class Drilling:
    """A backend with a layer around it that is told what to play."""

    def __init__(
        self,
        drill: Drill | None,
        inner: Backend | None = None,
        signature: Signature = YES_NO,
        *,
        seconds: float | None = None,
        chance: float = 0.0,
    ) -> None:
        self.inner = Fake(sure(1, rows=2), delay=0.1) if inner is None else inner
        self.state, self.statistics = State(drill=drill), Statistics()
        self.backend = Drilled(
            self.inner,
            state=self.state,
            signature=signature,
            statistics=self.statistics,
            seconds=seconds,
            chance=lambda: chance,
        )


async def test_without_a_drill_nothing_is_done() -> None:
    drilling = Drilling(None)
    response = await drilling.backend(ones(2), deadline_after(5))
    assert (response.id, now(), drilling.statistics.drilled) == ("the-id", 0.1, 0)


async def test_slow_is_later_by_the_delay() -> None:
    drilling = Drilling(SLOW)
    response = await drilling.backend(ones(2), deadline_after(5))
    assert response.outputs["probabilities"].tolist() == sure(1, rows=2).tolist()
    assert now() == pytest.approx(0.9)
    assert drilling.statistics.drilled == 1


async def test_slow_is_over_at_the_deadline_and_the_backend_not_even_asked() -> None:
    inner = Fake(sure(1))
    with pytest.raises(DeadlineExceeded):
        await Drilling(SLOW, inner).backend(ones(), deadline_after(0.5))
    assert (now(), inner.calls) == (0.5, [])


async def test_stop_gives_no_answer_until_the_deadline() -> None:
    inner = Fake(sure(1))
    with pytest.raises(DeadlineExceeded):
        await Drilling(Drill(kind="stop"), inner).backend(ones(), deadline_after(5))
    assert (now(), inner.calls) == (5, [])


async def test_a_call_takes_no_longer_than_the_backend_may() -> None:
    with pytest.raises(DeadlineExceeded):
        await Drilling(Drill(kind="stop"), seconds=0.2).backend(ones(), deadline_after(5))
    assert now() == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("drill", "error"),
    [
        (Drill(kind="fail"), ModelFailed),
        (Drill(kind="fail", reason="connect"), ConnectFailed),
        (Drill(kind="fail", reason="reset"), ConnectionLost),
        (Drill(kind="fail", reason="http_5xx"), ServerFault),
        (Drill(kind="fail", reason="overloaded"), RemoteOverloaded),
    ],
)
async def test_fail_fails_at_once_for_its_reason(drill: Drill, error: type[BackendError]) -> None:
    inner = Fake(sure(1))
    with pytest.raises(error) as raised:
        await Drilling(drill, inner).backend(ones(), deadline_after(5))
    assert (type(raised.value), raised.value.reason, now(), inner.calls) == (error, drill.reason, 0, [])


TRANSFORM = transformer((FEATURES,), (FEATURES,))
FED = {"features": np.ones((2, 2), np.float32)}


@pytest.mark.parametrize(
    ("signature", "said", "wrong"),
    [
        (YES_NO, sure(1, rows=2), ["to 2", "nan", "shape", "to 2"]),
        (NUMBER, [1.0, 2.0], ["nan", "shape", "nan"]),
        (TRANSFORM, FED, ["2 rows", "2 rows"]),
    ],
)
async def test_garbage_is_refused_by_what_checks_all_answers(
    signature: Signature, said: list[float], wrong: list[str]
) -> None:
    drilling = Drilling(Drill(kind="garbage"), Fake(said), signature)
    for words in wrong:
        with pytest.raises(InvalidAnswer, match=words):
            await drilling.backend(ones(2), deadline_after(5))


async def test_only_its_share_of_the_calls_is_touched() -> None:
    drill = Drill(kind="fail", share=0.3)
    assert await Drilling(drill, chance=0.3).backend(ones(2), deadline_after(5))
    with pytest.raises(ModelFailed):
        await Drilling(drill, chance=0.29).backend(ones(2), deadline_after(5))


async def test_a_look_at_one_call_is_left_alone() -> None:
    drilling, request = Drilling(SLOW), InferRequest(ones(2).inputs, stopwatch=Stopwatch())
    await drilling.backend(request, deadline_after(5))
    assert (now(), drilling.statistics.drilled) == (0.1, 0)


async def test_a_call_that_is_cancelled_ends_at_once() -> None:
    task = asyncio.create_task(Drilling(Drill(kind="stop")).backend(ones(), deadline_after(5)))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 0


async def test_when_it_is_over_the_next_call_is_as_usual() -> None:
    drilling = Drilling(Drill(kind="fail"))
    with pytest.raises(ModelFailed):
        await drilling.backend(ones(2), deadline_after(5))
    drilling.state.drill = None
    assert await drilling.backend(ones(2), deadline_after(5))


def test_a_drill_says_in_short_what_it_does() -> None:
    drills = [SLOW, Drill(kind="fail", reason="reset"), Drill(kind="garbage"), Drill(kind="stop", share=0.25)]
    assert [drill.words for drill in drills] == ["slow 800ms", "fail reset", "garbage", "stop, 0.25 of the calls"]

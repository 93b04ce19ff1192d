import asyncio

import numpy as np
import pytest
from msgspec.structs import replace

from backends.base import Backend
from backends.layers.coalesce import Coalesce
from backends.layers.timeout import Timeout
from backends.question import Question
from backends.statistics import Statistics
from models.deadline import deadline_after
from models.errors import DeadlineExceeded, ServerFault
from models.stopwatch import Stopwatch
from models.types import InferRequest, InferResponse
from tests.fakes import Fake, Script, now, ones, settle, sure

Call = asyncio.Task[InferResponse]


class Coalesced:
    """Equal calls to `inner` are shared; it is bounded by its deadline, as an address is."""

    def __init__(self, inner: Backend) -> None:
        self.statistics = Statistics()
        self.layer = Coalesce(Timeout(inner, seconds=None), question=Question("m", "1"), statistics=self.statistics)

    def start(self, seconds: float = 20.0, request: InferRequest | None = None) -> Call:
        return asyncio.create_task(self.layer(request or ones(), deadline_after(seconds)))


async def test_equal_calls_share_one_answer_each_with_its_own_id() -> None:
    inner = Fake(sure(1), delay=1)
    coalesced = Coalesced(inner)
    calls = [coalesced.start(request=replace(ones(), id=str(at))) for at in range(5)]
    answers = await asyncio.gather(*calls)
    assert [answer.id for answer in answers] == ["0", "1", "2", "3", "4"]
    assert (len(inner.calls), coalesced.statistics.coalesced, now()) == (1, 4, 1)


async def test_whoever_comes_while_it_is_under_way_waits_for_the_rest_only() -> None:
    inner = Fake(sure(1), delay=1)
    coalesced = Coalesced(inner)
    first = coalesced.start()
    await asyncio.sleep(0.7)
    await coalesced.start()
    assert (len(inner.calls), now(), first.done()) == (1, 1, True)


async def test_after_its_end_the_next_call_is_a_new_one() -> None:
    inner = Fake(sure(1))
    coalesced = Coalesced(inner)
    await coalesced.start()
    await coalesced.start()
    assert (len(inner.calls), coalesced.statistics.coalesced) == (2, 0)


async def test_other_questions_are_asked_for_themselves() -> None:
    inner = Fake(sure(1), delay=1)
    coalesced = Coalesced(inner)
    zeros = InferRequest({"features": np.zeros((1, 2), np.float32)})
    await asyncio.gather(coalesced.start(), coalesced.start(request=zeros))
    assert len(inner.calls) == 2


async def test_an_error_is_shared_and_the_next_call_is_a_new_one() -> None:
    inner = Script((1, lambda: ServerFault("500")), (0, sure(1)))
    coalesced = Coalesced(inner)
    calls = [coalesced.start() for _ in range(3)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [ServerFault] * 3
    assert await coalesced.start()
    assert len(inner.begun) == 2


async def test_each_waits_until_its_own_deadline() -> None:
    inner = Fake(sure(1), delay=5)
    coalesced = Coalesced(inner)
    patient, hasty = coalesced.start(9), coalesced.start(1)
    with pytest.raises(DeadlineExceeded):
        await hasty
    assert (now(), inner.cancelled) == (1, 0)
    await patient
    assert (now(), len(inner.calls)) == (5, 1)


async def test_the_call_is_cancelled_when_the_last_has_left_and_not_before() -> None:
    inner = Fake(sure(1), delay=9)
    coalesced = Coalesced(inner)
    calls = [coalesced.start() for _ in range(3)]
    await settle()
    for left, call in enumerate(calls):
        assert inner.cancelled == 0, left
        call.cancel()
        await settle()
    assert inner.cancelled == 1
    assert all(call.cancelled() for call in calls)


async def test_whoever_comes_after_the_last_has_left_begins_anew() -> None:
    inner = Fake(sure(1), delay=1, stubborn=5)
    coalesced = Coalesced(inner)
    first = coalesced.start()
    await settle()
    first.cancel()
    await settle()
    await coalesced.start()
    assert (len(inner.calls), now()) == (2, 1)


async def test_who_has_time_left_when_the_call_is_late_asks_anew_together_with_the_latest_deadline() -> None:
    inner = Script((9, sure(1)), (0.5, sure(1)))
    coalesced = Coalesced(inner)
    first = coalesced.start(2)
    await settle()
    others = [coalesced.start(3), coalesced.start(8), coalesced.start(5)]
    with pytest.raises(DeadlineExceeded):
        await first
    await asyncio.gather(*others)
    assert (inner.begun, now()) == ([0, 2], 2.5)


async def test_the_one_that_is_asked_anew_has_the_latest_deadline() -> None:
    inner = Fake(sure(1), delay=9)
    coalesced = Coalesced(inner)
    calls = [coalesced.start(seconds) for seconds in (2, 3, 8, 5)]
    await asyncio.gather(*calls, return_exceptions=True)
    assert [float(deadline) for _, deadline in inner.calls] == [2, 8]
    assert now() == 8


async def test_a_single_call_is_late_at_its_deadline() -> None:
    inner = Fake(sure(1), delay=9)
    with pytest.raises(DeadlineExceeded):
        await Coalesced(inner).start(2)
    await settle()
    assert (now(), inner.cancelled) == (2, 1)


async def test_whether_it_is_needed_is_asked_of_all_who_wait() -> None:
    inner = Fake(sure(1), delay=1)
    coalesced = Coalesced(inner)
    spared = coalesced.start(request=replace(ones(), needed=lambda: False))
    missed = coalesced.start(request=replace(ones(), needed=lambda: True))
    await settle()
    needed = inner.calls[0][0].needed
    assert needed is not None
    assert needed()
    missed.cancel()
    await settle()
    assert not needed()
    await spared


async def test_what_several_have_nobody_can_write_to() -> None:
    answer = await Coalesced(Fake(sure(1))).start()
    with pytest.raises(ValueError, match="read-only"):
        answer.outputs["probabilities"][0] = 9


async def test_a_look_at_one_call_is_not_shared() -> None:
    inner = Fake(sure(1), delay=1)
    coalesced = Coalesced(inner)
    look = replace(ones(), stopwatch=Stopwatch())
    await asyncio.gather(coalesced.start(), coalesced.start(request=look))
    assert len(inner.calls) == 2


async def test_nothing_is_left_behind_whatever_becomes_of_the_calls() -> None:
    inner = Script((1, lambda: ServerFault("500")), (9, sure(1)))
    coalesced = Coalesced(inner)
    calls = [coalesced.start(), coalesced.start(0.5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [ServerFault, DeadlineExceeded]
    gone = coalesced.start()
    await settle()
    gone.cancel()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}

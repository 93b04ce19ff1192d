import asyncio

import pytest

from backends.layers.observe import Observe
from backends.statistics import Statistics
from models.deadline import deadline_after
from models.errors import InvalidAnswer
from tests.fakes import Fake, now, ones, settle, sure


async def test_an_answer_is_counted_and_timed() -> None:
    statistics = Statistics()
    await Observe(Fake(sure(1), delay=3), statistics=statistics, clock=now)(ones(), deadline_after(5))
    assert (statistics.asked, statistics.in_flight, statistics.fates) == (1, 0, {"ok": 1})
    assert statistics.quantiles([0.5]) == [3]


async def test_a_failure_is_counted_by_its_reason_and_not_timed() -> None:
    statistics = Statistics()
    with pytest.raises(InvalidAnswer):
        await Observe(Fake(InvalidAnswer("no JSON")), statistics=statistics)(ones(), deadline_after(5))
    assert statistics.fates == {"failed: invalid": 1}
    assert list(statistics.last_errors) == ["invalid: no JSON"]
    assert statistics.quantiles([0.5]) is None


async def test_a_cancelled_call_is_no_failure() -> None:
    statistics = Statistics()
    task = asyncio.create_task(Observe(Fake(sure(1), delay=9), statistics=statistics)(ones(), deadline_after(20)))
    await settle()
    assert statistics.in_flight == 1
    task.cancel()
    await settle()
    assert (statistics.in_flight, statistics.fates) == (0, {"cancelled": 1})
    assert not statistics.last_errors


async def test_a_call_that_is_cancelled_at_its_deadline_was_late() -> None:
    statistics = Statistics()
    task = asyncio.create_task(Observe(Fake(sure(1), delay=9), statistics=statistics)(ones(), deadline_after(3)))
    await asyncio.sleep(3)
    task.cancel()
    await settle()
    assert statistics.fates == {"late: timeout": 1}
    assert statistics.quantiles([0.5]) is None


async def test_a_bug_is_counted_and_not_hidden() -> None:
    statistics = Statistics()
    with pytest.raises(ZeroDivisionError):
        await Observe(Fake(ZeroDivisionError()), statistics=statistics)(ones(), deadline_after(5))
    assert (statistics.in_flight, statistics.fates) == (0, {"bug": 1})


def test_quantiles_are_of_the_last_calls() -> None:
    statistics = Statistics(window=4)
    for seconds in (9, 1, 2, 3, 4):
        statistics.begin()
        statistics.end("ok", seconds)
    assert statistics.quantiles([0, 0.5, 0.99]) == [1, 3, 4]

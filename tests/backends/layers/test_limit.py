import asyncio

import pytest

from backends.layers.limit import Limit
from models.deadline import deadline_after
from models.errors import LateInQueue, Overloaded
from tests.fakes import Fake, now, ones, settle, sure


async def test_calls_that_fit_go_through_at_once() -> None:
    limited = Limit(Fake(sure(1), delay=1), concurrency=2, waiting=0)
    await asyncio.gather(limited(ones(), deadline_after(5)), limited(ones(), deadline_after(5)))
    assert now() == 1


async def test_what_does_not_fit_waits_for_its_turn() -> None:
    limited = Limit(Fake(sure(1), delay=1), concurrency=1, waiting=2)
    await asyncio.gather(*(limited(ones(), deadline_after(5)) for _ in range(3)))
    assert now() == 3


async def test_limit_sheds_what_does_not_fit() -> None:
    limited = Limit(Fake(sure(1), delay=1), concurrency=1, waiting=1)
    results = await asyncio.gather(*(limited(ones(), deadline_after(5)) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results[2:]] == [Overloaded]
    assert now() == 2


async def test_a_deadline_ends_the_wait() -> None:
    inner = Fake(sure(1), delay=4)
    limited = Limit(inner, concurrency=1, waiting=1)
    first = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    with pytest.raises(LateInQueue):
        await limited(ones(), deadline_after(1))
    assert now() == 1
    await first
    assert len(inner.calls) == 1


async def test_a_cancelled_call_leaves_the_line() -> None:
    inner = Fake(sure(1), delay=1)
    limited = Limit(inner, concurrency=1, waiting=1)
    first = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    waiting = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    waiting.cancel()
    await settle()
    third = asyncio.create_task(limited(ones(), deadline_after(9)))
    await asyncio.gather(first, third)
    assert len(inner.calls) == 2


async def test_a_call_that_is_cancelled_as_its_turn_comes_passes_it_on() -> None:
    inner = Fake(sure(1), delay=1)
    limited = Limit(inner, concurrency=1, waiting=2)
    first, second, third = (asyncio.create_task(limited(ones(), deadline_after(9))) for _ in range(3))
    first.add_done_callback(lambda _: second.cancel())  # its turn has been given to it, and it has not yet run
    await asyncio.wait([first, second, third])
    assert third.result() is not None
    assert now() == 2


async def test_a_failure_gives_its_place_back() -> None:
    limited = Limit(Fake(ValueError("broken")), concurrency=1, waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            await limited(ones(), deadline_after(1))


@pytest.mark.parametrize(("concurrency", "waiting"), [(0, 1), (1, -1)])
def test_options_are_checked(concurrency: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="got"):
        Limit(Fake(sure(1)), concurrency=concurrency, waiting=waiting)

import asyncio

import pytest

from backends.bound import Bound
from backends.budget import RetryBudget
from backends.latency import Latency
from backends.layers.limit import Limit
from models.deadline import deadline_after
from models.errors import LateInQueue, Overloaded, RemoteOverloaded
from tests.circles import no_errors_in_circles
from tests.fakes import Fake, now, ones, settle, sure


async def test_calls_that_fit_go_through_at_once() -> None:
    limited = Limit(Fake(sure(1), delay=1), bound=Bound(2), waiting=0)
    await asyncio.gather(limited(ones(), deadline_after(5)), limited(ones(), deadline_after(5)))
    assert now() == 1


async def test_what_does_not_fit_waits_for_its_turn() -> None:
    limited = Limit(Fake(sure(1), delay=1), bound=Bound(1), waiting=2)
    await asyncio.gather(*(limited(ones(), deadline_after(5)) for _ in range(3)))
    assert now() == 3


async def test_limit_sheds_what_does_not_fit() -> None:
    limited = Limit(Fake(sure(1), delay=1), bound=Bound(1), waiting=1)
    results = await asyncio.gather(*(limited(ones(), deadline_after(5)) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results[2:]] == [Overloaded]
    assert now() == 2


async def test_a_deadline_ends_the_wait() -> None:
    inner = Fake(sure(1), delay=4)
    limited = Limit(inner, bound=Bound(1), waiting=1)
    first = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    with pytest.raises(LateInQueue):
        await limited(ones(), deadline_after(1))
    assert now() == 1
    await first
    assert len(inner.calls) == 1


async def test_nor_is_anything_left_of_who_has_waited_in_vain() -> None:
    limited = Limit(Fake(sure(1), delay=4), bound=Bound(1), waiting=1)
    first = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    with no_errors_in_circles():
        waiting = asyncio.create_task(limited(ones(), deadline_after(1)))
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), LateInQueue)
        del waiting
    await first


async def test_a_cancelled_call_leaves_the_line() -> None:
    inner = Fake(sure(1), delay=1)
    limited = Limit(inner, bound=Bound(1), waiting=1)
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
    limited = Limit(inner, bound=Bound(1), waiting=2)
    first, second, third = (asyncio.create_task(limited(ones(), deadline_after(9))) for _ in range(3))
    first.add_done_callback(lambda _: second.cancel())  # its turn has been given to it, and it has not yet run
    await asyncio.wait([first, second, third])
    assert third.result() is not None
    assert now() == 2


async def test_a_call_that_is_cancelled_just_before_its_turn_comes_is_passed_over() -> None:
    inner = Fake(sure(1), delay=1)
    limited = Limit(inner, bound=Bound(1), waiting=2)
    first, second, third = (asyncio.create_task(limited(ones(), deadline_after(9))) for _ in range(3))
    await settle()
    asyncio.get_running_loop().call_at(1, second.cancel)  # before the first is back, in the same turn of the loop
    await asyncio.wait([first, second, third])
    assert second.cancelled()
    assert third.result() is not None
    assert now() == 2


async def test_a_failure_gives_its_place_back() -> None:
    limited = Limit(Fake(ValueError("broken")), bound=Bound(1), waiting=0)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            await limited(ones(), deadline_after(1))


@pytest.mark.parametrize(("concurrency", "waiting"), [(0, 1), (1, -1)])
def test_options_are_checked(concurrency: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="got"):
        Limit(Fake(sure(1)), bound=Bound(concurrency), waiting=waiting)


def known(seconds: float, rows: int = 1) -> Latency:
    latency = Latency()
    for _ in range(20):
        latency.add(rows, seconds)
    return latency


async def test_whose_turn_would_come_after_its_deadline_is_refused_at_once() -> None:
    limited = Limit(Fake(sure(1), delay=1), bound=Bound(1), waiting=9, clock=now)
    await limited(ones(), deadline_after(5))
    under_way = [asyncio.create_task(limited(ones(), deadline_after(9))) for _ in range(3)]  # two of them wait
    await settle()
    with pytest.raises(Overloaded, match="in about 3 s"):
        await limited(ones(), deadline_after(2.9))
    assert now() == 1
    await limited(ones(), deadline_after(4.1))
    await asyncio.gather(*under_way)


async def test_before_anything_is_known_nobody_is_refused_for_that() -> None:
    limited = Limit(Fake(sure(1), delay=1), bound=Bound(1), waiting=9)
    first = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    with pytest.raises(LateInQueue):
        await limited(ones(), deadline_after(0.1))
    assert now() == 0.1
    await first


async def test_whose_turn_comes_too_late_for_an_answer_is_not_run_and_passes_it_on() -> None:
    inner = Fake(sure(1), delay=1)
    limited = Limit(inner, bound=Bound(1), waiting=9, latency=known(1.0), clock=now)
    first, hasty, patient = (
        asyncio.create_task(limited(ones(), deadline_after(seconds))) for seconds in (9.0, 1.5, 9.0)
    )
    await asyncio.wait([first, hasty, patient])
    assert isinstance(hasty.exception(), LateInQueue)
    assert (len(inner.calls), now()) == (2, 2)


async def test_without_a_wait_everyone_has_a_try() -> None:
    limited = Limit(Fake(sure(1), delay=0.1), bound=Bound(1), waiting=0, latency=known(1.0), clock=now)
    assert await limited(ones(), deadline_after(0.2))


async def test_a_backend_with_too_much_to_do_gets_half_as_much_and_wins_it_back() -> None:
    inner = Fake(RemoteOverloaded("429"), delay=1)
    bound = Bound(8)
    limited = Limit(inner, bound=bound, waiting=64, clock=now)

    async def ask(count: int) -> list[object]:
        calls = (limited(ones(), deadline_after(99)) for _ in range(count))
        return list(await asyncio.gather(*calls, return_exceptions=True))

    assert all(isinstance(said, RemoteOverloaded) for said in await ask(8))
    assert (bound.room, now()) == (4, 1)
    inner.said = sure(1)
    await ask(8)
    assert (bound.room, now()) == (5, 3)  # four, then four more
    for _ in range(40):
        await ask(8)
    assert bound.room == 8


async def test_while_there_is_less_room_nobody_takes_the_place_of_who_leaves() -> None:
    inner = Fake(sure(1), delay=1)
    bound = Bound(4)
    limited = Limit(inner, bound=bound, waiting=64, clock=now)
    calls = [asyncio.create_task(limited(ones(), deadline_after(99))) for _ in range(6)]
    await settle()
    bound.refuse(0, 0)
    await asyncio.sleep(1)
    await settle()
    assert bound.under_way == 2  # four have left, two came, and there is room for no more
    await asyncio.gather(*calls)
    assert bound.under_way == 0


async def test_what_is_refused_here_ends_second_tries_for_a_moment() -> None:
    budget = RetryBudget()
    limited = Limit(Fake(sure(1), delay=1), bound=Bound(1), waiting=0, budget=budget, clock=now)
    first = asyncio.create_task(limited(ones(), deadline_after(9)))
    await settle()
    assert budget.is_open(now())
    with pytest.raises(Overloaded):
        await limited(ones(), deadline_after(9))
    assert not budget.is_open(now())
    await first
    assert budget.is_open(now())

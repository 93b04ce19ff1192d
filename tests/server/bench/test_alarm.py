import asyncio
import ctypes
from collections.abc import Callable
from time import perf_counter

import pytest

from server.bench.alarm import Alarm, LoopTimer, TimerFile, alarm

pytestmark = pytest.mark.sockets


def timer_file(ring: Callable[[], None]) -> Alarm:
    return TimerFile(ctypes.CDLL(None, use_errno=True), ring)


KINDS = pytest.mark.parametrize("make", [timer_file, LoopTimer, alarm])


@KINDS
async def test_it_rings_once_for_each_time_and_not_before(make: Callable[[Callable[[], None]], Alarm]) -> None:
    rang: list[float] = []
    one = make(lambda: rang.append(perf_counter()))
    try:
        for _ in range(3):
            due, before = perf_counter() + 0.02, len(rang)
            one.set(due)
            while len(rang) == before:  # noqa: ASYNC110 - the ring is what we wait for
                await asyncio.sleep(0.001)
            assert rang[-1] >= due - 0.001  # a loop's timer is in whole milliseconds
        await asyncio.sleep(0.05)
        assert len(rang) == 3
    finally:
        one.close()


@KINDS
async def test_what_is_past_rings_at_once_and_a_ring_may_set_the_next(
    make: Callable[[Callable[[], None]], Alarm],
) -> None:
    rang: list[int] = []
    over = asyncio.Event()

    def ring() -> None:
        rang.append(1)
        if len(rang) < 100:
            one.set(perf_counter() - 1)
        else:
            over.set()

    one = make(ring)
    one.set(perf_counter() - 1)
    await over.wait()
    one.close()
    one.close()
    assert len(rang) == 100


@KINDS
async def test_a_later_time_takes_the_place_of_an_earlier_one(make: Callable[[Callable[[], None]], Alarm]) -> None:
    rang: list[float] = []
    one = make(lambda: rang.append(perf_counter()))
    began = perf_counter()
    one.set(began + 0.01)
    one.set(began + 0.1)
    while not rang:  # noqa: ASYNC110 - the ring is what we wait for
        await asyncio.sleep(0.001)
    assert rang[0] >= began + 0.099
    one.close()


@KINDS
async def test_after_its_end_it_does_not_ring(make: Callable[[Callable[[], None]], Alarm]) -> None:
    rang: list[int] = []
    one = make(lambda: rang.append(1))
    one.set(perf_counter() + 0.01)
    one.close()
    await asyncio.sleep(0.05)
    assert not rang

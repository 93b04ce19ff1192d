"""Who gives no sign of life is replaced; who was not looked at is not blamed."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from server.heartbeat import BEAT_SECONDS, LINE, LOOK_SECONDS, Heart, Pulse, is_stopped, watch
from tests.conftest import JumpingLoop
from tests.fakes import now


class Child:
    """A child that beats until `until`, and is in the state of our own process: not stopped."""

    def __init__(self, *, hung: float = 5.0, until: float = 0.0, ready: bool = True) -> None:
        self.name = "child"
        self.pid: int | None = os.getpid()
        self.pulse = Pulse(hung, ready=ready)
        self.until = until
        self.replaced: list[tuple[float, str]] = []

    def replace(self, problem: str) -> None:
        self.replaced.append((now(), problem))
        self.pid = None

    async def beat(self) -> None:
        while now() < self.until:
            self.pulse.beat(now())
            await asyncio.sleep(BEAT_SECONDS)


@contextmanager
def watched(*children: Child) -> Iterator[None]:
    tasks = [asyncio.create_task(watch(children)), *(asyncio.create_task(child.beat()) for child in children)]
    yield
    for task in tasks:
        task.cancel()


async def test_who_falls_silent_is_replaced_and_who_beats_is_not() -> None:
    silent, alive = Child(until=10), Child(until=99)
    with watched(silent, alive):
        await asyncio.sleep(30)
    ((when, problem),) = silent.replaced
    assert 14.5 <= when <= 15 + LOOK_SECONDS
    assert problem.startswith("hung: no sign of life for 5.")
    assert not alive.replaced


async def test_who_is_starting_may_be_silent_for_long() -> None:
    child = Child(ready=False)
    with watched(child):
        await asyncio.sleep(100)
    assert not child.replaced


async def test_nobody_is_replaced_where_that_is_switched_off() -> None:
    child = Child(hung=0)
    with watched(child):
        await asyncio.sleep(1000)
    assert not child.replaced


async def test_nobody_is_blamed_for_a_time_in_which_we_did_not_run() -> None:
    child = Child(until=10)
    with watched(child):
        await asyncio.sleep(9)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        loop._jumping.now += 3600  # the machine slept
        child.until = now() + 10
        await asyncio.sleep(5)
        assert not child.replaced
        await asyncio.sleep(20)
    assert len(child.replaced) == 1


def test_a_stopped_process_is_in_trouble_long_before_a_slow_one() -> None:
    pulse = Pulse(5.0, heard=10.0, ready=True)
    assert not pulse.trouble(10.9, lambda: True)
    assert pulse.trouble(11.0, lambda: True) == "stopped by a signal"
    assert not pulse.trouble(14.9, lambda: False)
    assert pulse.trouble(15.0, lambda: False) == "hung: no sign of life for 5.0 s"
    pulse.beat(15.0)
    assert not pulse.trouble(15.9, lambda: True)


def test_a_process_that_runs_or_is_gone_is_not_stopped() -> None:
    assert not is_stopped(os.getpid())
    assert not is_stopped(None)
    assert not is_stopped(2**22 + 1)


async def test_a_heart_beats_as_long_as_the_loop_turns_and_somebody_reads() -> None:
    reading, writing = os.pipe()
    try:
        Heart(asyncio.get_running_loop(), writing)
        await asyncio.sleep(9.9 * BEAT_SECONDS)
        assert os.read(reading, 1 << 16) == LINE * 10
        await asyncio.sleep(10_000)  # nobody reads: far more than fits
        held = os.read(reading, 1 << 20)
        assert 0 < len(held) < 1 << 17
        await asyncio.sleep(BEAT_SECONDS)
        assert os.read(reading, 1 << 16)
    finally:
        os.close(reading)
        os.close(writing)

"""How late the event loop is, and whether it stays so."""

import asyncio

import pytest

from server.lag import TICK_SECONDS, TICKS, Lag, Ticking
from tests.fakes import now


def test_one_that_is_late_is_no_overload() -> None:
    lag = Lag()
    for _ in range(TICKS - 1):
        lag.tick(0.5)
    assert lag.standing == 0
    lag.tick(0.3)
    assert lag.standing == 0.3
    lag.tick(0.0)
    assert (lag.standing, lag.longest) == (0, 0.5)


def test_what_is_early_is_in_time() -> None:
    lag = Lag()
    lag.tick(-0.001)
    assert (lag.longest, lag.durations.sum) == (0, 0)


async def test_it_is_measured_at_every_tick_until_it_is_closed() -> None:
    lag, late = Lag(), [0.0]
    seen: list[float] = []
    ticking = Ticking(lag, lambda: seen.append(now()), clock=lambda: now() + late[0])
    await asyncio.sleep(2.5 * TICK_SECONDS)
    assert seen == pytest.approx([TICK_SECONDS, 2 * TICK_SECONDS])
    assert lag.longest == pytest.approx(0, abs=1e-9)
    late[0] = 0.4  # as if something had blocked it since the last tick
    await asyncio.sleep(TICK_SECONDS)
    assert lag.longest == pytest.approx(0.4)
    ticking.close()
    await asyncio.sleep(1)
    assert len(seen) == 3

"""Everyone is told at its own deadline, by one timer."""

import asyncio
from typing import Any

import pytest

from backends.alarm import Alarm
from models.deadline import Deadline, deadline_after
from tests.fakes import now


class Sleeper:
    def __init__(self, deadline: float, alarm: Alarm) -> None:
        self.deadline = Deadline(deadline)
        self.told: list[float] = []
        self._alarm = alarm
        alarm.on(self)

    def expire(self) -> None:
        self.told.append(now())


async def test_each_is_told_once_at_its_own_deadline_in_whatever_order_they_come() -> None:
    alarm = Alarm()
    sleepers = [Sleeper(seconds, alarm) for seconds in (3, 1, 2, 1, 5)]
    await asyncio.sleep(4)
    late = Sleeper(4.5, alarm)
    await asyncio.sleep(4)
    assert [one.told for one in [*sleepers, late]] == [[3], [1], [2], [1], [5], [4.5]]


async def test_who_is_done_is_not_told() -> None:
    alarm = Alarm()
    one, other = Sleeper(1, alarm), Sleeper(2, alarm)
    alarm.off(one)
    await asyncio.sleep(3)
    assert (one.told, other.told) == ([], [2])
    third = Sleeper(6, alarm)
    alarm.off(third)
    alarm.off(third)
    await asyncio.sleep(6)
    assert third.told == []


async def test_one_timer_is_for_all_who_come_and_go_before_it_rings(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, alarm, timers = asyncio.get_running_loop(), Alarm(), []
    usual = loop.call_at

    def call_at(when: float, *call: Any, **context: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return usual(when, *call, **context)

    monkeypatch.setattr(loop, "call_at", call_at)
    for seconds in (5, 6, 7):
        alarm.off(Sleeper(seconds, alarm))
    last = Sleeper(8, alarm)
    assert timers == [5]
    await asyncio.sleep(9)
    assert last.told == [8]


async def test_who_is_told_may_wait_anew_and_send_others_away() -> None:
    alarm = Alarm()

    class Restless(Sleeper):
        def expire(self) -> None:
            super().expire()
            alarm.off(other)
            if len(self.told) < 3:
                self.deadline = deadline_after(1)
                alarm.on(self)

    restless = Restless(1, alarm)
    other = Sleeper(1, alarm)
    await asyncio.sleep(5)
    assert (restless.told, other.told) == ([1, 2, 3], [])

"""The drills that a front knows of, on the tests' own clock."""

import asyncio
from typing import Any

import pytest

from backends.drill import Drill
from models.types import MemberReport, PartReport, Report
from server.drills import Drills
from server.switchboard import Held
from tests.fakes import now

SLOW, STOP = Drill(kind="slow", delay=0.8), Drill(kind="stop")
VOTE = Report(
    members={
        "a": MemberReport("ok", 1.0, "1", elapsed=0.1),
        "b": MemberReport("late", 1.0, "1", "timeout", 0.2),
        "never-asked": MemberReport("unneeded", 1.0, "1"),
    }
)


class Told(Drills):
    """Counts how often it says that something is over."""

    def __init__(self) -> None:
        self.times: list[float] = []
        super().__init__(lambda: self.times.append(now()), clock=now)


async def test_a_drill_is_over_by_itself() -> None:
    drills = Told()
    drills.hear([Held("a", SLOW, 2.0), Held("b", STOP, 1.0)])
    assert (drills.at("a"), drills.at("b"), drills.at("c")) == (SLOW, STOP, None)
    assert [(held.name, left) for held, left in drills.remaining()] == [("a", 2.0), ("b", 1.0)]
    await asyncio.sleep(1.5)
    assert (drills.at("a"), drills.at("b"), drills.times) == (SLOW, None, [1.0])
    await asyncio.sleep(1)
    assert (drills.at("a"), drills.times) == (None, [1.0, 2.0])


async def test_one_that_is_over_is_not_begun_again() -> None:
    drills = Told()
    await asyncio.sleep(5)
    drills.hear([Held("a", SLOW, 5.0)])  # as the supervisor has kept it
    assert drills.at("a") is None
    assert not drills.known


async def test_one_takes_the_place_of_another_and_lasts_its_own_time() -> None:
    drills = Told()
    drills.hear([Held("a", SLOW, 1.0)])
    drills.hear([Held("a", STOP, 3.0)])
    await asyncio.sleep(2)
    assert drills.at("a") is STOP
    drills.hear([])
    await asyncio.sleep(2)
    assert (drills.at("a"), drills.times) == (None, [])


async def test_begin_and_end_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    drills = Told()
    drills.hear([Held("a", SLOW, 2.0)])
    drills.hear([Held("a", SLOW, 2.0), Held("b", STOP, 1.0)])
    await asyncio.sleep(3)
    assert [record.getMessage() for record in caplog.records] == [
        "a drill begins at a: slow 800ms, for 2 s",
        "a drill begins at b: stop, for 1 s",
        "the drill at b is over: stop",
        "the drill at a is over: slow 800ms",
    ]


@pytest.mark.parametrize(
    ("name", "report", "touched"),
    [
        ("vote", VOTE, {"b": "stop"}),
        ("a", Report(), {}),
        ("b", None, {"b": "stop"}),
        ("outer", Report(members={"vote": MemberReport("ok", 1.0, "1", elapsed=0.1, report=VOTE)}), {"b": "stop"}),
        ("chain", Report(parts=(PartReport("vote", "1", began=0.0, report=VOTE),)), {"b": "stop"}),
        ("chain", Report(parts=(PartReport("b", "1", "skipped", "not_reached"),)), {}),
    ],
)
async def test_an_answer_is_touched_by_what_was_on_at_those_who_were_asked(
    name: str, report: Report | None, touched: dict[str, Any]
) -> None:
    drills = Told()
    assert drills.touching(name, report, 1.0) == {}
    drills.hear([Held("b", STOP, 60.0), Held("never-asked", SLOW, 60.0)])
    assert drills.touching(name, report, 1.0) == touched


async def test_so_is_one_that_was_asked_for_while_it_was_on() -> None:
    drills = Told()
    drills.hear([Held("b", STOP, 1.0)])
    await asyncio.sleep(1.5)
    assert drills.touching("b", None, 0.6) == {"b": "stop"}
    assert drills.touching("b", None, 0.4) == {}

"""Who is let in, who waits, and who is told at once that it would be in vain."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from aggregator.brown_out import BrownOut
from models.deadline import Deadline, deadline_after
from models.errors import DeadlineExceeded, InvalidRequest, Overloaded
from server.admission import CALM_SECONDS, LINE, SHORT_SECONDS, Admission, Refused
from server.capacity import START
from server.lag import TICKS
from tests.circles import no_errors_in_circles
from tests.fakes import Fake, now, ones, settle, sure

D = 1.0


class Door:
    """An admission, and requests that come to it."""

    def __init__(self, *, floor: int = 2, most: int = 100, room: int = 2) -> None:
        self.brown_out = BrownOut()
        self.told: list[float] = []
        self.admission = Admission(
            floor=floor, most=most, brown_out=lambda: self.brown_out, refusing=self.told.append, clock=now
        )
        self.began: list[str] = []
        self.admission.look("m", deadline_after(D), D)
        self.lane = self.admission.lanes["m"]
        self.lane.capacity._room = room

    async def ask(self, who: str = "", takes: float = 10.0, had: float = D, error: Exception | None = None) -> str:
        """`ok`, or the code of the refusal."""
        deadline = deadline_after(had)
        try:
            async with self.admission.look("m", deadline, had):
                self.began.append(who)
                await Fake(error or sure(1), delay=takes)(ones(), deadline)
        except Refused as refused:
            return refused.code
        except Exception as failed:
            return type(failed).__name__
        return "ok"

    def start(self, who: str = "", **how: Any) -> "asyncio.Task[str]":
        return asyncio.create_task(self.ask(who, **how))


async def test_as_many_as_there_is_room_for_do_not_wait() -> None:
    door = Door()
    asked = [door.start(who, takes=0.1) for who in "ab"]
    await settle()
    assert door.began == ["a", "b"]
    assert (door.lane.under_way, door.admission.inside) == (2, 2)
    assert [await one for one in asked] == ["ok", "ok"]
    assert (door.lane.under_way, door.admission.inside) == (0, 0)


async def test_the_next_waits_for_its_turn_and_the_line_is_short() -> None:
    door = Door()
    asked = [door.start(who, takes=0.1) for who in "abcd"]
    await settle()
    assert (door.began, asked[3].done() and asked[3].result()) == (["a", "b"], "full")
    assert (door.lane.under_way, len(door.lane.line), door.admission.inside) == (2, 1, 3)
    assert [await one for one in asked] == ["ok", "ok", "ok", "full"]
    assert now() == pytest.approx(0.2)
    assert (door.lane.waited, door.lane.refused) == (1, {"full": 1})


async def test_nobody_waits_longer_than_a_share_of_its_time() -> None:
    door = Door()
    asked = [door.start(who) for who in "abc"]
    assert await asked[2] == "waited"
    assert now() == pytest.approx(LINE * D)
    assert door.admission.inside == 2
    for one in asked[:2]:
        one.cancel()


@pytest.mark.parametrize("codes", [Counter(waited=3), Counter(full=4, waited=1)])
async def test_who_is_refused_leaves_nothing_for_the_garbage_collector(codes: "Counter[str]") -> None:
    door = Door(room=2 if "full" in codes else 6)
    under_way = [door.start() for _ in range(door.lane.capacity.room)]
    await settle()
    with no_errors_in_circles():
        await asyncio.gather(*(door.start() for _ in range(codes.total())))
    assert door.lane.refused == codes
    for one in under_way:
        one.cancel()


async def test_nor_so_long_that_its_answer_would_be_late() -> None:
    door = Door(room=8)
    for who in "abcdefgh":
        door.start(who)
    await settle()
    door.lane.capacity.usual = 0.8
    assert await door.ask(had=1.0) == "waited"
    assert now() == pytest.approx(1.0 - 0.8)
    door.lane.capacity.usual = 0.9
    assert await door.ask(had=1.0) == "hopeless"
    assert now() == pytest.approx(1.0 - 0.8)


async def test_while_requests_are_refused_nobody_waits_for_long() -> None:
    door = Door(room=4)
    for who in "abcdef":
        door.start(who)
    await settle()
    assert await door.ask("g") == "full"
    began = now()
    door.lane.line.clear()
    assert await door.ask("h") == "waited"
    assert now() - began == pytest.approx(SHORT_SECONDS)


async def test_whoever_need_not_wait_may_be_in_any_hurry() -> None:
    door = Door()
    door.lane.capacity.usual = 0.9
    assert await door.ask(takes=0.001, had=0.01) == "ok"


async def test_first_come_first_served_until_someone_is_refused_then_the_newest() -> None:
    door = Door(room=4)
    for who in "abcd":
        door.start(who, takes=0.1)
    for who in "ef":
        door.start(who, takes=0.1)
    await asyncio.sleep(0.15)
    assert door.began == list("abcdef")
    for who in "ghijk":  # of whom two find a place, two wait and one is refused
        door.start(who, takes=0.1)
    await asyncio.sleep(0.1)
    assert door.began == list("abcdefghji")
    assert door.lane.refused == {"full": 1}
    await asyncio.sleep(CALM_SECONDS)
    assert not door.admission.is_refusing


async def test_who_gives_up_while_waiting_leaves_no_trace() -> None:
    door = Door()
    asked = [door.start(who, takes=0.1) for who in "abc"]
    await settle()
    asked[2].cancel()
    await settle()
    assert (len(door.lane.line), door.admission.inside) == (0, 2)
    await asyncio.wait(asked)
    assert (door.lane.under_way, door.admission.inside) == (0, 0)


async def test_a_place_that_comes_to_one_who_has_just_gone_is_the_next_ones() -> None:
    door = Door(room=4)
    first = [door.start(who) for who in "abcd"]
    await settle()
    gone, last = door.start("e"), door.start("f", takes=0.1)
    await settle()
    gone.cancel()
    first[0].cancel()  # whose place is given away before `e` knows that it is gone, or after
    await settle()
    assert door.began == list("abcdf")
    first[1].cancel()
    await settle()
    again = door.start("g")
    await settle()
    assert door.began == list("abcdfg")
    for one in (*first, again):
        one.cancel()
    await asyncio.wait([*first, again, last])
    assert (door.lane.under_way, door.admission.inside) == (0, 0)


async def test_a_turn_that_comes_together_with_the_hanging_up_is_given_back() -> None:
    door = Door(room=2)
    first = [door.start("a"), door.start("b")]
    await settle()
    gone = door.start("c")
    await settle()
    door.admission.leave(door.lane)  # as `a` does
    gone.cancel()
    await settle()
    assert "c" not in door.began
    assert door.lane.under_way == 1
    for one in first:
        one.cancel()


async def test_all_names_together_have_a_bound() -> None:
    door = Door(most=3, room=2)
    other = [asyncio.create_task(enter(door.admission, "n", deadline_after(D))) for _ in range(2)]
    await settle()
    one = door.start("a")
    await settle()
    assert await door.ask("b") == "full"
    for task in (*other, one):
        task.cancel()


async def enter(admission: Admission, name: str, deadline: Deadline) -> None:
    async with admission.look(name, deadline, D):
        await asyncio.sleep(10)


async def test_one_name_that_has_too_much_to_do_is_no_others_trouble() -> None:
    door = Door(most=1000)
    tasks = [door.start(who) for who in "abcdef"]
    await settle()
    assert door.lane.refused["full"] == 3
    other = asyncio.create_task(enter(door.admission, "n", deadline_after(D)))
    await settle()
    assert door.admission.lanes["n"].under_way == 1
    assert door.admission.lanes["n"].capacity.room == START
    for task in (*tasks, other):
        task.cancel()


async def test_who_waits_for_the_event_loop_waits_too() -> None:
    door = Door()
    for _ in range(TICKS):
        door.admission.lag.tick(LINE * D + 0.01)
    assert await door.ask() == "lag"
    assert await door.ask(takes=0.1, had=2 * D) == "ok"
    door.admission.lag.tick(0.0)  # it has only stumbled
    assert await door.ask(takes=0.1) == "ok"


async def test_where_memory_is_short_nobody_is_let_in() -> None:
    door = Door()
    door.admission.memory.hold(int(0.9 * door.admission.memory.most_bodies) + 1)
    assert await door.ask() == "memory"


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (None, True),
        (DeadlineExceeded("late"), True),
        (Overloaded("no room"), True),
        (InvalidRequest("nonsense"), False),
        (asyncio.CancelledError(), False),
    ],
)
async def test_only_what_says_something_of_the_speed_counts(error: Exception | None, counts: bool) -> None:
    door = Door()
    for _ in range(2):
        await asyncio.sleep(1)
        task = door.start(takes=0.5, error=error)
        await asyncio.wait([task])
    assert (door.lane.capacity.usual is not None) == counts


async def test_what_was_waited_for_in_vain_says_nothing_of_the_speed() -> None:
    door = Door()
    for _ in range(2):
        await asyncio.sleep(1)
        async with door.admission.look("m", deadline_after(D), D) as place:
            await asyncio.sleep(0.5)
            place.in_vain = 0.4
    assert door.lane.capacity.usual == pytest.approx(0.1)


async def test_brown_out_comes_before_refusals() -> None:
    door = Door(room=4)
    tasks = [door.start() for _ in range(5)]
    await settle()
    assert door.admission.brown_out == 0  # half of the line is there yet
    tasks.append(door.start())
    await settle()
    assert 0 < door.admission.brown_out < 1
    assert not door.lane.refused
    tasks.append(door.start())
    await settle()
    assert door.lane.refused == {"full": 1}
    assert door.admission.brown_out == 1
    for task in tasks:
        task.cancel()


async def test_the_longer_it_lasts_the_longer_is_who_is_refused_told_to_stay_away() -> None:
    door = Door()
    door.admission.memory.hold(door.admission.memory.most_bodies)

    async def recovery() -> float:
        with pytest.raises(Refused) as caught:
            door.admission.look("m", deadline_after(D), D)
        return caught.value.recovery

    assert await recovery() == 1
    for _ in range(10):
        await asyncio.sleep(CALM_SECONDS / 2)
        last = await recovery()
    assert last == pytest.approx(1 + 10 * CALM_SECONDS / 2)
    await asyncio.sleep(2 * CALM_SECONDS)
    assert await recovery() == 1


async def test_while_requests_are_refused_those_who_would_try_twice_are_told() -> None:
    door = Door()
    door.admission.tick()
    assert door.told == []
    door.admission.memory.hold(door.admission.memory.most_bodies)
    await door.ask()
    door.admission.tick()
    assert door.told == [now()]

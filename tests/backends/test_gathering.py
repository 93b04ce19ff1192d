"""Who leaves together, and when; a rider is a number of rows here, and whoever leaves is written down with the time."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from backends.batching import Batching
from backends.gathering import MORE_ROUNDS, UNDER_WAY, Gathering
from models.errors import Overloaded
from models.types import InferRequest
from tests.fakes import now, ones, settle


@dataclass(eq=False)
class One:
    rows: int = 1
    alone: bool = False
    most: int = 1000  # rows that a batch may have with it
    request: InferRequest = field(default_factory=ones)


class Station:
    """A gathering whose batches are back when a test says so."""

    def __init__(self, *, waiting: int = 1024, under_way: int = UNDER_WAY, at_once: int = 1) -> None:
        self.left: list[tuple[float, list[One]]] = []
        self.numbers: list[int] = []
        self.batching = Batching(max_rows=1000, max_waiting=waiting)
        self.gathering: Gathering[One] = Gathering(
            self.depart,
            lambda: lambda rider: rider.most,
            batching=self.batching,
            under_way=under_way,
            at_once=at_once,
            clock=now,
        )

    def depart(self, riders: list[One], number: int) -> None:
        self.left.append((now(), riders))
        self.numbers.append(number)

    def join(self, *riders: One) -> None:
        for rider in riders:
            self.gathering.join(rider)

    def back(self, at: int) -> None:
        """The batch that left as number `at` of all, counted from 0, is back."""
        self.gathering.back(self.numbers[at])

    @property
    def rows(self) -> list[list[int]]:
        """Of the riders of each batch."""
        return [[rider.rows for rider in riders] for _, riders in self.left]

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.left]

    async def teach(self, seconds: float) -> None:
        """Let it see three batches that take `seconds`."""
        for _ in range(3):
            self.join(One())
            await settle()
            await asyncio.sleep(seconds)
            self.back(-1)
        self.left.clear()


async def test_who_finds_nobody_leaves_at_once_with_all_who_come_at_the_same_moment() -> None:
    station = Station()
    station.join(One(1), One(2), One(3))
    assert station.left == []
    await settle()
    assert (station.rows, station.times) == ([[1, 2, 3]], [0])


async def test_one_alone_leaves_in_the_next_round_of_the_loop() -> None:
    station = Station()
    station.join(One(1))
    await asyncio.sleep(0)
    station.join(One(2))
    assert station.rows == [[1]]


async def test_several_stay_as_long_as_each_round_of_the_loop_brings_more_but_not_for_ever() -> None:
    station = Station()
    station.join(One(1), One(1))
    for _ in range(2):
        await asyncio.sleep(0)
        station.join(One(1))
    await settle()
    assert station.rows == [[1] * 4]
    station.back(-1)
    station.join(One(2), One(2))
    for _ in range(2 * MORE_ROUNDS):
        await asyncio.sleep(0)
        station.join(One(2))
    assert station.rows[1] == [2] * (2 + MORE_ROUNDS)


async def test_while_one_is_under_way_the_next_gathers_and_leaves_when_it_is_back() -> None:
    station = Station()
    await station.teach(5)
    station.join(One(1))
    await settle()
    station.join(One(2))
    await asyncio.sleep(1)
    station.join(One(3))
    await asyncio.sleep(1)
    assert station.rows == [[1]]
    station.back(-1)
    await settle()
    assert (station.rows, station.times) == ([[1], [2, 3]], [15, 17])


async def test_who_comes_back_late_holds_up_nobody_for_longer_than_is_usual() -> None:
    station = Station()
    await station.teach(5)
    station.join(One(1))
    await settle()
    station.join(One(2))
    await asyncio.sleep(100)
    assert (station.rows, station.times) == ([[1], [2]], [15, 20])


async def test_one_that_is_unusual_does_not_change_what_is_usual() -> None:
    station = Station()
    await station.teach(5)
    station.join(One())
    await asyncio.sleep(1000)
    station.back(-1)
    station.join(One())
    await settle()
    station.join(One())
    await asyncio.sleep(100)
    assert station.times[1:] == [1015, 1020]


async def test_before_anything_is_known_nobody_waits_but_for_the_bound() -> None:
    station = Station(under_way=3)
    for rows in range(1, 6):
        station.join(One(rows))
        await settle()
    assert station.rows == [[1], [2], [3]]
    station.back(1)
    await settle()
    assert station.rows == [[1], [2], [3], [4, 5]]


async def test_only_the_last_batch_is_waited_for() -> None:
    station = Station()
    await station.teach(5)
    station.join(One(1))
    await settle()
    station.join(One(2))
    await asyncio.sleep(6)  # the second left after 5
    station.join(One(3))
    station.back(-1)
    await settle()
    assert (station.rows, station.times) == ([[1], [2], [3]], [15, 20, 21])


async def test_what_is_only_waiting_for_stragglers_is_waited_for_as_long_again() -> None:
    station = Station()
    await station.teach(50)
    station.join(One(1))
    await settle()
    await asyncio.sleep(2)
    station.gathering.nearly_back(station.numbers[-1])
    station.join(One(2))
    await asyncio.sleep(100)
    assert (station.rows, station.times) == ([[1], [2]], [150, 154])


async def test_who_waits_already_when_only_stragglers_are_left_leaves_as_soon() -> None:
    station = Station()
    await station.teach(50)
    station.join(One(1))
    await settle()
    station.join(One(2))
    await asyncio.sleep(2)
    station.gathering.nearly_back(station.numbers[-1])
    await asyncio.sleep(100)
    assert station.times == [150, 154]


async def test_stragglers_do_not_count_among_those_under_way() -> None:
    station = Station(under_way=2)
    for rows in range(1, 5):
        station.join(One(rows))
        await settle()
        await asyncio.sleep(1)
        station.gathering.nearly_back(station.numbers[-1])
        await asyncio.sleep(2)
    assert station.times == [0, 3, 6, 9]
    assert station.batching.under_way == 1


async def test_at_the_bound_the_first_that_is_nearly_back_makes_room() -> None:
    station = Station(under_way=2)
    for rows in range(1, 4):
        station.join(One(rows))
        await settle()
    await asyncio.sleep(1)
    station.gathering.nearly_back(station.numbers[0])
    await asyncio.sleep(100)
    assert (station.rows, station.times) == ([[1], [2], [3]], [0, 0, 2])


async def test_what_stragglers_take_is_not_usual() -> None:
    station = Station()
    for _ in range(15):
        station.join(One())
        await settle()
        await asyncio.sleep(1)
        station.gathering.nearly_back(station.numbers[-1])
        await asyncio.sleep(100)
        station.back(-1)
    station.join(One())
    await settle()
    station.join(One())
    await asyncio.sleep(100)
    assert station.times[-1] - station.times[-2] == 2


async def test_a_batch_has_no_more_rows_than_there_is_room_for_with_each_of_its_riders() -> None:
    station = Station()
    station.join(One(3, most=10), One(4, most=8), One(1, most=8), One(1), One(2), One(2, most=3), One(2))
    await settle()
    assert station.rows == [[3, 4, 1], [1, 2], [2], [2]]


async def test_a_rider_that_is_too_large_for_any_batch_leaves_alone() -> None:
    station = Station()
    station.join(One(50, most=10), One(1))
    await settle()
    station.back(0)
    await settle()
    assert station.rows == [[50], [1]]


async def test_who_must_be_alone_is_and_waits_only_for_the_bound() -> None:
    station = Station(under_way=3)
    await station.teach(5)
    station.join(One(1, alone=True), One(2, alone=True), One(3), One(4, alone=True))
    await settle()
    assert (station.rows, station.times) == ([[1], [2]], [15, 15])
    await asyncio.sleep(100)
    assert (station.rows[2:], station.times[2:]) == ([[3]], [20])
    station.back(-3)
    await settle()
    assert station.rows[3:] == [[4]]


async def test_what_cannot_be_one_request_does_not_leave_together() -> None:
    def of(array: object) -> One:
        return One(request=InferRequest({"x": np.array(array)}))

    station = Station()
    station.join(of([[1.0]]), of([[2.0]]), of([[1.0, 2.0]]), of([["a"]]), of(np.ones((1, 1), np.float32)))
    await settle()
    for at in range(4):
        station.back(at)
        await settle()
    assert [len(riders) for _, riders in station.left] == [2, 1, 1, 1]


async def test_who_waits_anew_comes_first_and_in_the_same_order() -> None:
    station = Station()
    station.join(One(1))
    await settle()
    station.join(One(2))
    station.gathering.rejoin([One(3), One(4)])
    await settle()
    assert station.rows == [[1], [3, 4, 2]]


async def test_who_withdraws_is_not_there_and_may_do_so_twice() -> None:
    station, gone = Station(), One(2)
    station.join(One(1), gone, One(3))
    station.gathering.withdraw(gone)
    station.gathering.withdraw(gone)
    await settle()
    assert station.rows == [[1, 3]]
    assert station.batching.waiting == 0


async def test_nobody_leaves_if_all_have_withdrawn() -> None:
    station, gone = Station(), One()
    station.join(gone)
    station.gathering.withdraw(gone)
    await settle()
    assert (station.left, station.gathering.idle) == ([], True)


async def test_what_is_full_refuses_at_once_and_takes_more_when_there_is_room() -> None:
    station = Station(waiting=2, under_way=1)
    station.join(One(1))
    await settle()
    station.join(One(2), One(3))
    with pytest.raises(Overloaded, match="2 requests wait"):
        station.join(One(4))
    station.back(0)
    await settle()
    station.join(One(5))
    assert station.rows == [[1], [2, 3]]


async def test_the_bound_holds_over_all_that_count_together() -> None:
    one, other = Station(waiting=2, under_way=1), Station(waiting=2, under_way=1)
    shared = Gathering[One](other.depart, lambda: lambda rider: 9, batching=one.batching, clock=now)
    one.join(One(), One())
    with pytest.raises(Overloaded):
        shared.join(One())


async def test_several_go_at_once_where_several_can_work() -> None:
    station = Station(at_once=2)
    await station.teach(5)
    for rows in (1, 2, 3):
        station.join(One(rows))
        await settle()
    assert (station.rows, station.gathering.idle) == ([[1], [2]], False)
    station.back(-2)
    await settle()
    assert station.rows == [[1], [2], [3]]


async def test_it_is_idle_while_whoever_comes_need_not_wait() -> None:
    station = Station(at_once=2)
    assert station.gathering.idle
    number = station.gathering.begin(1)
    assert station.gathering.idle
    station.gathering.begin(1)
    assert not station.gathering.idle
    station.gathering.back(number)
    assert station.gathering.idle
    station.join(One())
    assert not station.gathering.idle


async def test_more_may_go_at_once_than_are_under_way_elsewhere() -> None:
    station = Station(at_once=20)
    for _ in range(20):
        station.join(One())
        await settle()
    assert len(station.left) == 20


async def test_a_batch_that_is_back_twice_is_so_once() -> None:
    station = Station()
    station.join(One())
    await settle()
    station.back(0)
    station.back(0)
    station.gathering.nearly_back(station.numbers[0])
    assert (station.batching.under_way, station.gathering.idle) == (0, True)


async def test_who_is_back_while_itdeparts_lets_the_next_go() -> None:
    station = Station()
    rows: list[list[int]] = []

    def depart(riders: list[One], number: int) -> None:
        rows.append([rider.rows for rider in riders])
        gathering.back(number)
        gathering.back(number)

    gathering = Gathering[One](depart, lambda: lambda rider: 1, batching=station.batching, clock=now)
    for number in (1, 1, 1):
        gathering.join(One(number))
    await settle()
    assert (rows, gathering.idle, now()) == ([[1], [1], [1]], True, 0)


async def test_everything_is_counted() -> None:
    station = Station(under_way=1)
    station.join(One(1), One(2))
    assert (station.batching.waiting, station.batching.under_way) == (2, 0)
    await settle()
    station.join(One(1))
    station.gathering.rejoin([One(1), One(1)])
    await settle()
    assert (station.batching.waiting, station.batching.under_way) == (3, 1)
    station.back(0)
    await settle()
    station.back(1)
    assert (station.batching.waiting, station.batching.under_way) == (0, 0)
    assert (sum(station.batching.rows.counts), station.batching.rows.sum) == (2, 6)


@pytest.mark.parametrize("wrong", [{"under_way": 0}, {"at_once": 0}])
async def test_options_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        Station(**wrong)

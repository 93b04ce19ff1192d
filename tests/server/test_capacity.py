"""A bound that follows what is answered in good time, against servers whose speed is known."""

from collections import deque
from collections.abc import Iterable, Sequence

import pytest

from server.capacity import ENOUGH, SHARE, START, WINDOW, Capacity, alone


def windows(capacity: Capacity, count: int, took: float, had: float = 1.0, under_way: int | None = None) -> None:
    """So many windows full of answers, with as many under way as there may be; of these Little's law says how many."""
    for _ in range(count):
        busy = capacity.room if under_way is None else under_way
        answers = max(ENOUGH, round(busy / took * WINDOW))
        for now in (*[0.0] * (answers - 1), max(WINDOW, answers * took / busy)):
            capacity.add(took, had, busy, now)
        capacity._begin(0.0)  # the next is like the first


def test_a_bound_that_was_not_felt_stays() -> None:
    capacity = Capacity(1, 1000)
    windows(capacity, 50, took=0.001, under_way=10)
    assert capacity.room == START
    windows(capacity, 50, took=0.9, under_way=10)
    assert capacity.room == START


def test_it_grows_while_it_is_felt_and_answers_come_soon_up_to_the_cap() -> None:
    capacity = Capacity(1, 1000)
    windows(capacity, 2, took=0.01)
    assert 4 * START < capacity.room < 1000  # at once, where there is time in plenty
    windows(capacity, 50, took=0.01)
    assert capacity.room == 1000


def test_it_shrinks_while_answers_take_too_long_down_to_the_floor() -> None:
    capacity = Capacity(7, 1000)
    windows(capacity, 5, took=0.9)
    assert 7 < capacity.room < START
    windows(capacity, 80, took=0.9)
    assert capacity.room == 7


@pytest.mark.parametrize("rate", [50, 240, 2000])
@pytest.mark.parametrize("had", [0.1, 1.0])
def test_in_an_overload_it_settles_where_answers_take_their_share_of_the_time(rate: int, had: float) -> None:
    """What serves `rate` a second takes longer the more are under way (Little's law)."""
    capacity = Capacity(1, 100_000)
    for _ in range(60):
        windows(capacity, 1, took=max(capacity.room, 1) / rate, had=had)
    assert capacity.room / rate == pytest.approx(SHARE * had, abs=2 / rate)


def test_when_half_of_the_speed_is_gone_so_is_half_of_the_bound_within_a_few_seconds() -> None:
    capacity = Capacity(1, 100_000)
    for _ in range(60):
        windows(capacity, 1, took=capacity.room / 1000)
    before = capacity.room
    for rate, room in ((500, before / 2), (1000, before)):
        for _ in range(25):
            windows(capacity, 1, took=capacity.room / rate)
        assert capacity.room == pytest.approx(room, rel=0.1)


def test_what_is_slow_even_when_nothing_is_under_way_is_not_overloaded() -> None:
    """Such as a language model, that takes half of the time whatever is asked at once."""
    capacity = Capacity(1, 1000)
    windows(capacity, 3, took=0.5)
    assert capacity.room < START  # for it might be, until it is seen that fewer are no faster
    windows(capacity, 20, took=0.5)
    assert capacity.room > START


@pytest.mark.parametrize(
    ("windows", "seconds"),
    [
        ([], 0),
        ([(10, 0.5)], 0),
        ([(10, 0.5), (20, 0.5)], 0.5),  # however many there are
        ([(10, 0.1), (20, 0.2)], 0),  # each takes its time
        ([(10, 0.2), (20, 0.3)], 0.1),  # and all together some
        ([(10, 0.1), (20, 0.4)], 0),
        ([(10, 0.5), (11, 0.5)], 0),  # about as many: who knows
        ([(10, 0.5), (20, 0.2)], 0),  # it has become faster, or slower
    ],
)
def test_what_answers_take_however_few_there_are(windows: list[tuple[float, float]], seconds: float | None) -> None:
    assert alone(windows) == pytest.approx(seconds)


def test_what_was_refused_further_in_is_too_much_however_fast_that_was() -> None:
    capacity = Capacity(1, 1000)
    for at in range(100):
        capacity.add(0.0001, 1.0, capacity.room, float(at), refused=True)
    assert capacity.room < START / 2


def test_a_moment_shorter_than_a_window_or_of_few_answers_is_no_news() -> None:
    capacity = Capacity(1, 1000)
    for at in range(9):
        capacity.add(0.9, 1.0, START, 0.11 + at * 0.01)
    assert (capacity.room, capacity.usual) == (START, None)
    capacity.add(0.9, 1.0, START, 0.21)
    assert capacity.room < START
    assert capacity.usual == pytest.approx(0.9)


def test_with_few_answers_a_window_lasts_longer() -> None:
    capacity = Capacity(1, 1000)
    capacity.add(0.3, 1.0, 1, 5.0)
    assert capacity.usual == 0.3


@pytest.mark.parametrize(("floor", "cap"), [(0, 5), (6, 5)])
def test_bounds_must_be_in_order(floor: int, cap: int) -> None:
    with pytest.raises(ValueError, match="expected 1 <= floor <= cap"):
        Capacity(floor, cap)


class OneByOne:
    """What takes `each` seconds for one after the other, behind a bound, asked at these moments by who has 0.2 s."""

    HAD = 0.2

    def __init__(self, each: float, stalls: Sequence[tuple[float, float]] = ()) -> None:
        self.capacity = Capacity(8, 1000)
        self.each = each
        self.late = self.refused = 0
        self._stalls = list(stalls)  # from when it does nothing, until when
        self._free = 0.0
        self._under_way: deque[tuple[float, float, int]] = deque()  # the end of each, its beginning, how many were

    def ask(self, moments: Iterable[float]) -> None:
        for now in moments:
            self._answer(now)
            if len(self._under_way) >= self.capacity.room:
                self.refused += 1
                continue
            self._free = max(self._free, now) + self.each
            if self._stalls and self._free > self._stalls[0][0]:
                self._free += self._stalls[0][1] - self._stalls[0][0]
                self._stalls.pop(0)
            self._under_way.append((self._free, now, len(self._under_way) + 1))

    def _answer(self, now: float) -> None:
        while self._under_way and self._under_way[0][0] <= now:
            end, began, beside = self._under_way.popleft()
            late = end - began > self.HAD
            self.late += late
            self.capacity.add(end - began, self.HAD, max(beside, len(self._under_way) + 1), end, late=late)


def every(seconds: float, begin: float, end: float) -> list[float]:
    return [begin + at * seconds for at in range(round((end - begin) / seconds))]


@pytest.mark.parametrize("times", [2, 5])
def test_at_a_sudden_overload_few_are_let_in_in_vain(times: int) -> None:
    asked = OneByOne(0.005)
    asked.ask(every(0.0055, 0, 2))
    assert (asked.late, asked.capacity.room) == (0, START)
    asked.ask(every(0.005 / times, 2, 4))
    assert asked.late < 120
    assert asked.capacity.room == pytest.approx(SHARE * 0.2 / 0.005, abs=3)
    asked.late = 0
    asked.ask(every(0.005 / times, 4, 20))
    assert asked.late == 0


def test_a_moment_in_which_nothing_goes_on_shuts_no_door() -> None:
    asked = OneByOne(0.005, stalls=[(2, 2.1), (4, 4.15)])
    asked.ask(every(0.005 / 0.7, 0, 6))
    assert (asked.refused, asked.late) == (0, 0)


def test_late_answers_are_too_much_however_far_below_the_bound_they_are() -> None:
    """Of what is asked a little more than it can do, and leaves undone what would be late, all are nearly late."""
    capacity = Capacity(1, 1000)
    for at in range(300):
        late = at % 5 == 0
        capacity.add(0.2 if late else 0.18, 0.2, 43, at / 215, late=late)
    assert capacity.room < SHARE * 0.2 * 215


def test_callers_in_a_hurry_shut_no_door_for_others() -> None:
    capacity = Capacity(1, 1000)
    windows(capacity, 3, took=0.05, under_way=5)
    for at in range(300):
        capacity.add(0.005, 0.005, 5, at / 100, late=True)
    assert capacity.room == START

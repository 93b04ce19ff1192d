"""Pure, so time is a number here."""

import heapq
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.circuit import ENOUGH, FAILURES, FIRST_WAIT, LONGEST_WAIT, WINDOW, Circuit


def spare() -> bool:
    return True


def needed() -> bool:
    return False


def circuit(chance: float = 0.0) -> Circuit:
    return Circuit(chance=lambda: chance)


def failed(times: int = FAILURES, *, at: float = 0.0, chance: float = 0.0) -> Circuit:
    one = circuit(chance)
    for _ in range(times):
        one.fail(at, at, spare=spare)
    return one


def probed(one: Circuit, now: float, *, well: bool) -> None:
    """A probe that begins and ends at `now`."""
    number = one.begin_probe(now)
    assert number is not None
    if well:
        one.succeed(now, now)
    else:
        one.fail(now, now, spare=spare)
    one.end_probe(number)


def test_it_opens_on_so_many_failures_in_a_row() -> None:
    assert failed(FAILURES - 1).closed
    assert failed(FAILURES).phase(0) == "open"


def test_a_success_between_failures_starts_the_row_anew() -> None:
    one = failed(FAILURES - 1)
    one.succeed(0, 0)
    for _ in range(FAILURES - 1):
        one.fail(0, 0, spare=spare)
    assert one.closed


def mixed(good: int, bad: int) -> Circuit:
    """So many of each, never five failures in a row, and a failure at the end."""
    one = circuit()
    between = (bad - 1) // 4
    for _ in range(good - between):
        one.succeed(0, 0)
    for at in range(bad):
        if at and at % 4 == 0:
            one.succeed(0, 0)
        one.fail(0, 0, spare=spare)
    return one


@pytest.mark.parametrize(
    ("good", "bad", "closed"),
    [(12, 8, True), (11, 9, False), (10, 9, True), (71, 29, True), (70, 30, False)],
)
def test_it_opens_when_too_few_of_enough_calls_succeed(good: int, bad: int, closed: bool) -> None:
    assert mixed(good, bad).closed is closed


def test_of_fewer_calls_a_share_says_nothing() -> None:
    one = circuit()
    for at in range(ENOUGH - 2):
        if at % 2:
            one.succeed(0, 0)
        else:
            one.fail(0, 0, spare=spare)
    one.fail(0, 0, spare=spare)
    assert one.closed
    one.fail(0, 0, spare=spare)  # the twentieth, and eleven have failed
    assert not one.closed


def together(share: float, *, at_once: int, seconds: float, dice: random.Random) -> Circuit:
    """So many calls in flight all the time; a `share` of them is given up after 0.1 s, others are answered sooner."""
    one = circuit()
    calls = [(dice.random(), 0.0, True) for _ in range(at_once)]
    while one.closed and calls[0][0] < seconds:
        now, began, good = heapq.heappop(calls)
        if good:
            one.succeed(began, now)
        else:
            one.fail(began, now, spare=spare)
        good = dice.random() >= share
        heapq.heappush(calls, (now + (0.008 * (0.5 + dice.random()) if good else 0.1), now, good))
    return one


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("at_once", [1, 5, 8])
def test_it_stays_closed_where_one_call_in_ten_is_late(at_once: int, seed: int) -> None:
    """Whoever is late is so for long, so that of the calls in flight nearly all are; and bad luck is none of its."""
    assert together(0.1, at_once=at_once, seconds=10, dice=random.Random(seed)).closed


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("at_once", [1, 5, 8])
def test_it_opens_soon_where_two_calls_in_five_are(at_once: int, seed: int) -> None:
    assert not together(0.4, at_once=at_once, seconds=10, dice=random.Random(seed)).closed


def test_what_is_longer_ago_than_the_window_does_not_count() -> None:
    one = circuit()
    for _ in range(ENOUGH - 1):
        one.succeed(0, 0)
    for _ in range(4):
        one.fail(0, 0, spare=spare)
    one.succeed(0, 0)
    later = float(WINDOW)
    for _ in range(3):
        one.fail(later, later, spare=spare)
    assert one.closed


def test_it_is_open_for_a_while_and_then_half_open() -> None:
    one = failed(at=10)
    assert [one.phase(10 + passed) for passed in (0, 0.999, 1, 100)] == ["open", "open", "half-open", "half-open"]
    assert one.wait(10.25) == 0.75
    assert one.begin_probe(10.5) is None


def test_the_wait_is_longer_by_chance_so_that_not_all_come_back_at_once() -> None:
    assert failed(chance=1.0).wait(0) == 1.5 * FIRST_WAIT


def test_there_is_one_probe_at_a_time() -> None:
    one = failed()
    first = one.begin_probe(1)
    assert first is not None
    assert one.begin_probe(1) is None
    one.end_probe(first)  # it was cancelled: it said nothing
    assert one.begin_probe(1) is not None
    assert one.probes == 2


def test_a_probe_that_succeeds_closes_it() -> None:
    one = failed()
    probed(one, 1, well=True)
    assert (one.closed, one.in_a_row) == (True, 0)


def test_each_probe_that_fails_doubles_the_wait_up_to_the_longest() -> None:
    one, now, waits = failed(), 0.0, []
    for _ in range(8):
        now += one.wait(now)
        probed(one, now, well=False)
        waits.append(one.wait(now))
    assert waits == [2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    assert one.opens == 9


def test_after_it_has_closed_the_wait_is_short_again() -> None:
    one = failed()
    probed(one, 1, well=False)
    probed(one, 3, well=True)
    for _ in range(FAILURES):
        one.fail(4, 4, spare=spare)
    assert one.wait(4) == FIRST_WAIT


def test_calls_that_were_under_way_when_it_opened_are_no_news() -> None:
    one = failed(at=1)
    one.fail(0.5, 2.5, spare=spare)  # half open by now, but this is no probe
    assert (one.opens, one.phase(2.5)) == (1, "half-open")
    one.succeed(0.5, 2.5)
    assert not one.closed
    probed(one, 2.5, well=True)
    for _ in range(FAILURES):
        one.fail(2, 3, spare=spare)
    assert one.closed


def test_a_probe_that_was_overtaken_does_not_end_the_next_one() -> None:
    one = failed()
    old = one.begin_probe(1)
    assert old is not None
    one.succeed(1, 1)  # someone who was asked in a panic
    for _ in range(FAILURES):
        one.fail(1, 1, spare=spare)
    assert one.begin_probe(3) is not None
    one.end_probe(old)
    assert one.begin_probe(3) is None


def test_what_cannot_be_done_without_stays_closed_and_each_time_is_counted() -> None:
    one = circuit()
    for _ in range(FAILURES + 2):
        one.fail(0, 0, spare=needed)
    assert (one.closed, one.opens, one.panics) == (True, 0, 3)
    one.fail(0, 0, spare=spare)
    assert not one.closed


def test_whether_it_is_spare_is_asked_only_when_it_would_open() -> None:
    one = circuit()

    def ask() -> bool:
        raise AssertionError

    for _ in range(FAILURES - 1):
        one.fail(0, 0, spare=ask)


def test_an_answer_closes_it_even_if_it_was_not_the_probe() -> None:
    one = failed()
    one.succeed(0.5, 0.6)
    assert one.closed


def test_a_failure_before_a_probe_is_due_does_not_lengthen_the_wait() -> None:
    one = failed()
    one.fail(0.2, 0.3, spare=spare)
    assert one.wait(0) == FIRST_WAIT


def test_failures_of_a_while_ago_are_not_held_against_it() -> None:
    one = failed(3, at=5)
    assert [one.failures(moment) for moment in (5, 5.9, 6)] == [3, 3, 0]
    assert one.in_a_row == 3


def test_a_new_process_starts_anew() -> None:
    one = failed(at=5)
    one.reset(6)
    one.fail(5, 6, spare=spare)  # of the one before it
    assert (one.closed, one.in_a_row) == (True, 0)


steps = st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["good", "bad", "silent"])), max_size=60)


@given(steps, st.floats(0, 1))
def test_whatever_happens_there_is_at_most_one_call_in_each_wait(
    happens: list[tuple[float, str]], chance: float
) -> None:
    """While it is open a call is refused or the only probe, and probes that fail are never less than 1 s apart."""
    one, now = failed(chance=chance), 0.0
    failed_at: list[float] = [0.0]
    for passed, said in happens:
        now += passed
        if one.closed:
            break
        number = one.begin_probe(now)
        if number is None:
            assert now < one.wait(now) + now
            continue
        assert one.begin_probe(now) is None
        if said == "good":
            one.succeed(now, now)
        elif said == "bad":
            one.fail(now, now, spare=spare)
            failed_at.append(now)
        one.end_probe(number)
        assert one.closed == (said == "good")
    assert all(later - earlier >= FIRST_WAIT for earlier, later in pairwise(failed_at))

import random

import pytest

from backends.latency import BEYOND, GROWTH, USUAL, Latency


def learned(*seconds: float, given_up: float | None = None, rows: int = 1) -> Latency:
    latency = Latency()
    for one in seconds:
        latency.add(rows, one)
    if given_up is not None:
        latency.give_up(given_up)
    return latency


def test_before_the_first_answer_nothing_is_known() -> None:
    latency = Latency()
    assert (latency.quantile(0.5), latency.usual(1), latency.typical(1)) == (None, None, 0.0)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.95, 0.98, 1.0])
def test_a_quantile_is_exact_to_a_bucket_and_never_too_small(level: float) -> None:
    chance = random.Random(7)
    seconds = [chance.lognormvariate(-5, 1) for _ in range(900)]
    exact = sorted(seconds)[max(0, round(level * len(seconds)) - 1)]
    known = learned(*seconds).quantile(level)
    assert known is not None
    assert exact / GROWTH <= known <= exact * GROWTH**1.5  # older calls count a little less


def test_what_was_given_up_took_longer_than_that() -> None:
    """Half are answered after 10 ms, half given up at 5 ms: Kaplan and Meier know of none that took less than 10."""
    latency = learned(*[0.01] * 50)
    for _ in range(50):
        latency.give_up(0.005)
    assert latency.quantile(0.01) == pytest.approx(0.01, rel=0.1)
    assert latency.quantile(0.95) == pytest.approx(0.01, rel=0.1)


def test_a_quantile_that_nobody_waited_for_is_not_known() -> None:
    latency = learned(*[0.004] * 80)
    for _ in range(20):
        latency.give_up(0.005)
    assert latency.quantile(0.5) == pytest.approx(0.004, rel=0.1)
    assert latency.quantile(0.95) is None
    assert latency.usual(1) == pytest.approx(BEYOND * 0.004, rel=0.01)


def test_older_calls_fade() -> None:
    latency = learned(*[1.0] * 1000, *[0.01] * 5000)
    assert latency.quantile(0.95) == pytest.approx(0.01, rel=0.1)
    assert latency.usual(1) == pytest.approx(0.01, rel=0.1)


def test_weights_that_have_grown_large_are_made_small_again_and_nothing_changes() -> None:
    latency = Latency(memory=10)
    for _ in range(2000):
        latency.add(1, 0.01)
    assert latency.quantile(USUAL) == pytest.approx(0.01, rel=0.1)


def test_a_single_straggler_is_not_the_usual() -> None:
    assert learned(*[0.01] * 99, 9.0).usual(1) == pytest.approx(0.01, rel=0.1)


def test_many_rows_may_take_longer() -> None:
    latency = learned(*[0.002] * 50, rows=1)
    latency.add(100, 0.2)
    assert latency.starved(100, 0.1)
    assert not latency.starved(1, 0.1)
    assert not latency.fair(100, 0.1)
    assert latency.fair(100, 0.21)


def test_before_anything_is_known_most_of_a_second_is_fair_and_nobody_is_called_starved() -> None:
    latency = Latency()
    assert not latency.fair(1, 0.5)
    assert latency.fair(1, 0.99)  # which is what is left of the default deadline when it is asked
    assert not latency.starved(1, 0.001)


def test_unless_no_call_is_given_so_much() -> None:
    assert Latency(timeout=0.2).fair(1, 0.195)
    assert not Latency(timeout=0.2).fair(1, 0.1)
    assert not Latency(timeout=60.0).fair(1, 0.5)
    assert Latency(timeout=60.0).fair(1, 0.99)


def test_impatient_callers_do_not_make_a_backend_look_as_if_it_were_fast() -> None:
    """It takes 4 to 8 ms, and everyone leaves after 5: of its answers alone, 5 ms would be more than usual."""
    chance, latency = random.Random(7), Latency()
    for _ in range(2000):
        took = chance.uniform(0.004, 0.008)
        if took < 0.005:
            latency.add(1, took)
        else:
            latency.give_up(0.005)
    assert latency.starved(1, 0.005)
    assert not latency.fair(1, 0.005)
    assert latency.fair(1, 0.2)


def test_what_every_other_call_takes_is_that_of_its_size() -> None:
    latency = learned(*[0.1] * 50, rows=1000)
    assert latency.typical(1000) == pytest.approx(0.1, rel=0.1)
    assert latency.typical(1) < 0.001


def test_the_shortest_and_the_longest_have_a_place() -> None:
    assert learned(0.0).quantile(1.0) == pytest.approx(1e-5)
    assert learned(1e9).quantile(1.0) is not None

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bench.search import Search, rounded


def found(search: Search, capacity: float) -> list[float]:
    """The rates that were tried at a server that holds any up to `capacity`."""
    tried = []
    while (rate := search.rate) is not None:
        tried.append(rate)
        search.tell(held=rate <= capacity)
    return tried


def test_it_doubles_until_a_rate_is_missed_and_then_halves_the_gap() -> None:
    search = Search(start=50, tries=1, precision=0.05)
    assert found(search, 430) == [50, 100, 200, 400, 800, 600, 500, 450, 425, 438]
    assert (search.held, search.missed) == (425, 438)


def test_one_hiccup_is_no_limit() -> None:
    search = Search(start=100, tries=2)
    search.tell(held=False)
    assert search.rate == 100
    search.tell(held=True)
    assert search.rate == 200
    for _ in range(2):
        search.tell(held=False)
    assert search.missed == 200
    assert search.rate == 150


def test_failures_of_different_rates_do_not_add_up() -> None:
    search = Search(start=100, tries=2)
    for held in (False, True, False):
        search.tell(held=held)
    assert search.rate == 200
    assert math.isinf(search.missed)


@given(st.floats(1, 1e5), st.floats(1, 1e4), st.integers(1, 3), st.sampled_from([0.01, 0.05, 0.2]))
def test_it_ends_beside_the_capacity_whatever_that_is(
    capacity: float, start: float, tries: int, precision: float
) -> None:
    search = Search(start=start, tries=tries, precision=precision)
    tried = found(search, capacity)
    assert search.held <= capacity < search.missed
    assert search.missed <= search.held * (1 + precision) + 10 ** (math.floor(math.log10(search.missed)) - 2) * 1.01
    assert len(tried) <= 60 * tries


def test_a_server_that_holds_nothing_is_found_out() -> None:
    search = Search(start=50)
    assert min(found(search, 0)) == 1
    assert search.held == 0


def test_a_server_that_holds_everything_ends_the_search_too() -> None:
    search = Search(start=50, most=1000)
    assert found(search, math.inf) == [50, 100, 200, 400, 800, 1000]
    assert search.held == 1000


@pytest.mark.parametrize(
    "wrong", [{"start": 0}, {"start": -1}, {"start": 10, "tries": 0}, {"start": 10, "precision": 0}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Search(**wrong)  # type: ignore[arg-type]


def test_rates_have_three_digits() -> None:
    assert [rounded(rate) for rate in (426.9531, 0.12345, 123456)] == [427, 0.123, 123000]

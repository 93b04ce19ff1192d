import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.cost import Cost
from backends.room import LOSS, SHARE, Room


def taking(a: float, b: float) -> Cost:
    cost = Cost()
    for rows in (1, 1000):
        cost.learn(rows, a * rows + b)
    return cost


def test_with_nothing_known_a_batch_may_be_full() -> None:
    assert Room([Cost()], 64).rows(1, 0.001) == 64


def test_a_batch_takes_half_of_the_time_that_is_left() -> None:
    room = Room([taking(0.001, 0.004)], 256)
    assert room.rows(1, 0.1) == 46
    assert room.rows(1, 0.52) == 256
    assert room.rows(1, 0.51) == 251


def test_the_slowest_says_how_many() -> None:
    slow, fast = taking(0.01, 0.0), taking(0.001, 0.0)
    assert Room([fast, slow, Cost()], 256).rows(1, 1.0) == 50


def test_who_would_be_late_alone_has_no_say_about_that_backend_but_about_the_others() -> None:
    room = Room([taking(0.01, 0.0), taking(0.001, 0.0)], 256)
    assert room.rows(40, 0.2) == 100
    assert room.rows(150, 0.2) == 256
    assert room.rows(1, -1.0) == 256


def test_what_takes_as_long_whatever_the_size_has_no_say() -> None:
    constant = Cost()
    for rows in (1, 10):
        constant.learn(rows, 0.5)
    assert Room([constant], 256).rows(1, 0.6) == 256


def test_for_one_in_a_hurry_the_others_pay_no_more_than_twice() -> None:
    a, b = 0.00005, 0.0024
    room = Room([taking(a, b)], 256)
    rows = room.rows(1, 0.005)  # alone by itself it would be 2
    assert rows == 34
    assert a + b / rows == pytest.approx(LOSS * (a + b / 256), rel=0.05)


@given(
    st.lists(st.tuples(st.floats(1e-6, 0.1), st.floats(0, 1)), min_size=1, max_size=4),
    st.integers(1, 300),
    st.integers(1, 1000),
    st.floats(-1, 60),
)
def test_nobody_is_late_for_the_company_who_would_not_be_anyway(
    lines: list[tuple[float, float]], rows: int, most: int, left: float
) -> None:
    costs = [taking(a, b) for a, b in lines]
    fits = Room(costs, most).rows(rows, left)
    assert 0 < fits <= most
    for cost in costs:
        line = cost.line()
        assert line is not None
        a, b = line
        if a * rows + b > SHARE * left:
            continue
        dear = a + b / fits >= LOSS * (a + b / most) * 0.999  # smaller would cost the others too much
        assert a * fits + b <= SHARE * left * 1.001 or dear or fits <= 1

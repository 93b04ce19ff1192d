import pytest

from benchmarks.spread import Spread, pairwise, ratio


def test_a_spread_is_from_the_least_to_the_most_as_a_share_of_the_median() -> None:
    spread = Spread((11.0, 9.0, 10.0))
    assert (spread.median, spread.relative) == (10, 0.2)
    assert not spread.steady


def test_up_to_fifteen_percent_counts_as_measured() -> None:
    assert Spread((100.0, 107.0, 115.0, 100.0, 100.0)).steady
    assert not Spread((100.0, 107.0, 116.0, 100.0, 100.0)).steady


def test_equal_values_have_no_spread_even_if_they_are_zero() -> None:
    assert Spread((0.0, 0.0)).relative == 0
    assert Spread((-1.0, 0.0, 1.0)).relative == float("inf")


def test_the_spread_of_negative_values_is_positive() -> None:
    assert Spread((-11.0, -9.0, -10.0)).relative == 0.2


def test_a_ratio_is_of_what_was_measured_in_the_same_alternation() -> None:
    slowed_down_together = ratio([10, 20, 30], [5, 10, 15])
    assert slowed_down_together.values == (2, 2, 2)
    assert slowed_down_together.relative == 0


def test_what_was_not_measured_as_often_is_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        pairwise(lambda a, b: a - b, [1, 2], [1])
    with pytest.raises(ValueError, match="at least one value"):
        Spread(())

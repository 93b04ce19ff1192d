"""The trimmed mean against SciPy's, and numbers as large as they come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import trim_mean

from aggregator.averages import LARGEST
from aggregator.rules import make_rule
from tests.completions import column, row

TRIMMED = make_rule("trimmed_mean", "regression", 0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 7))
def test_of_equal_weights_it_is_scipys_with_a_fifth_on_either_side(values: list[float], weight: int) -> None:
    combined = TRIMMED.combine(row(*([value] for value in values)), np.full((len(values), 1), float(weight)))
    assert combined.item() == pytest.approx(trim_mean(values, 0.2), rel=1e-9, abs=1e-9)


def test_of_five_votes_the_lowest_and_the_highest_are_dropped() -> None:
    scores = row([1e9], [1], [2], [6], [-1e9])
    assert TRIMMED.combine(scores, column(1, 1, 1, 1, 1)).item() == 3


def test_of_four_votes_none_is_dropped_though_a_fifth_was_asked() -> None:
    scores = row([1], [2], [6], [3], [0])
    assert TRIMMED.combine(scores, column(1, 1, 1, 1, 0)).item() == 3


def test_on_either_side_as_much_weight_is_dropped_if_need_be_as_a_part_of_a_vote() -> None:
    scores = row([0], [1], [2], [3], [10])  # of 15, a fifth is 3: of the 10s one is left, of the 0s none, of the 1s two
    assert TRIMMED.combine(scores, column(2, 3, 3, 3, 4)).item() == pytest.approx((2 * 1 + 3 * 2 + 3 * 3 + 10) / 9)


@given(st.permutations(range(6)), st.integers(1, 50))
def test_it_depends_neither_on_the_order_of_equals_nor_on_the_scale_of_the_weights(
    order: list[int], scale: int
) -> None:
    values, weights = np.array([1.0, 1, 1, 4, 4, 9])[order], np.array([1.0, 5, 2, 3, 1, 2])[order]
    expected = TRIMMED.combine(row([1], [1], [1], [4], [4], [9]), column(1, 5, 2, 3, 1, 2)).item()
    assert TRIMMED.combine(values[:, None, None], scale * weights[:, None]).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["mean", "median", "trimmed_mean"])
@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 1e300])
def test_no_number_is_so_large_that_an_average_is_none(name: str, value: float) -> None:
    weights = column(1, 3, 2**40, 7, 1)
    combined = make_rule(name, "regression", 0).combine(np.full((5, 1, 1), value), weights).item()
    assert np.isfinite(combined)
    assert combined == pytest.approx(value, rel=1e-12)


def test_large_numbers_leave_the_rows_beside_them_alone() -> None:
    mean = make_rule("mean", "regression", 0)
    scores = np.array([[[1e300], [0.1]], [[1e300], [0.3]]])
    assert mean.combine(scores, np.ones((2, 2)))[1].tobytes() == mean.combine(scores[:, 1:], np.ones((2, 1))).tobytes()


def test_a_mean_of_the_largest_numbers_that_is_rounded_up_is_still_a_number() -> None:
    weights = np.random.default_rng(0).integers(1, 2**49, (44, 20_000)).astype(np.float64)
    scores = np.full((44, 20_000, 1), LARGEST)
    assert np.isfinite(make_rule("mean", "regression", 0).combine(scores, weights)).all()

"""`max` and `rank` against a plain reference, and their `settled` against every completion there is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from aggregator.ranked import EXACT
from aggregator.rules import Rule, make_rule
from models.types import Array
from tests.completions import Completions, column, drawn, grid, row


def rule(name: str, classes: int) -> Rule:
    return make_rule(name, "classification", classes)


def test_max_is_the_highest_probability_of_each_label_renormalised() -> None:
    combined = rule("max", 3).combine(row([0.6, 0.4, 0], [0.1, 0.1, 0.8]), column(1, 1))
    assert combined[0].tolist() == pytest.approx([0.6 / 1.8, 0.4 / 1.8, 0.8 / 1.8])


@given(st.integers(0, 2**32 - 1))
def test_max_knows_no_weights_but_none(seed: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 4, 6, 3)
    combined = rule("max", 3).combine(scores, weights)
    for at in range(6):
        highest = scores[weights[:, at] > 0, at].max(axis=0)
        assert combined[at] == pytest.approx(highest / highest.sum())


def test_rank_gives_a_point_for_each_label_below_and_half_a_point_for_each_beside() -> None:
    scores = row([0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6])
    points = np.array([2 + 1.5 + 0.5, 1 + 1.5 + 0.5, 0 + 0 + 2])
    assert rule("rank", 3).combine(scores, column(1, 1, 1))[0].tolist() == (points / 9).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_rank_is_the_weighted_sum_of_scipys_average_ranks(seed: int, classes: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 4, 5, classes)
    points = ((rankdata(scores, axis=2) - 1) * weights[:, :, None]).sum(axis=0)
    expected = points / points.sum(axis=1, keepdims=True)
    assert rule("rank", classes).combine(scores, weights) == pytest.approx(expected, abs=1e-15)


def test_a_label_that_most_put_second_can_win_by_rank() -> None:
    scores = row([0.6, 0.4, 0], [0.6, 0.4, 0], [0, 0.4, 0.6], [0, 0.4, 0.6], [0, 0.6, 0.4])
    assert rule("rank", 3).combine(scores, column(1, 1, 1, 1, 1)).argmax() == 1
    assert rule("hard", 3).combine(scores, column(1, 1, 1, 1, 1)).argmax() == 0


@pytest.mark.parametrize("name", ["max", "rank"])
@pytest.mark.parametrize(
    ("steps", "classes", "members"), [(1, 1, 3), (4, 2, 3), (2, 2, 4), (2, 3, 3), (4, 3, 2), (2, 4, 2)]
)
def test_they_are_settled_exactly_when_no_completion_changes_the_label(
    name: str, steps: int, classes: int, members: int
) -> None:
    points = _orders(classes) if name == "rank" else grid(steps, classes)
    completions = Completions(points, members)
    for weights in itertools.product((1, 2, 5), repeat=members):
        settled, truly, _ = completions.judge(rule(name, classes), weights)
        assert (settled == truly).all(), weights
        assert classes == 1 or not settled.all()


def _orders(classes: int) -> Array:
    """A distribution for every order of the labels, and those with the largest ties."""
    steps = np.arange(classes, 0, -1) / sum(range(1, classes + 1))
    orders = np.array(list(itertools.permutations(steps)))
    return np.vstack([orders, np.eye(classes), np.full((1, classes), 1 / classes)])


def test_max_is_settled_early_at_certainty_of_the_first_label_and_of_no_other() -> None:
    judge = rule("max", 2).settled
    out = np.array([1.0])
    assert judge(row([1, 0], [0, 0]), column(1, 0), out).all()
    assert not judge(row([0, 1], [0, 0]), column(1, 0), out).any()
    assert not judge(row([0.999, 0.001], [0, 0]), column(1, 0), out).any()


def test_rank_is_in_doubt_where_its_points_are_no_integers_any_more() -> None:
    judge = rule("rank", 2).settled
    small, large = EXACT / 8, EXACT / 2
    for weight, expected in ((small, True), (large, False)):  # a tie, which the first label wins
        assert judge(row([1, 0], [0, 0]), column(weight, 0), np.array([weight])).all() == expected

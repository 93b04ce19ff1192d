"""What an evaluation shows of members whose worth is known."""

import math

import numpy as np
import pytest

from aggregator.evaluation import Difference, Evaluation, compare, evaluate
from aggregator.rules import RULES, make_rule
from models.types import Array

ROWS = 400


def member(seed: int, right: float) -> Array:
    """Probabilities (n, 2) of a calibrated member that is right in a share `right` of the rows, whose truth is 0."""
    correct = np.random.default_rng(seed).random(ROWS) < right
    return np.where(correct[:, None], [right, 1 - right], [1 - right, right])


TRUTH = np.zeros(ROWS, np.int64)


def evaluated(**members: Array) -> Evaluation:
    return evaluate("classification", members, TRUTH)


@pytest.fixture(scope="module")
def three() -> Evaluation:
    return evaluated(a=member(1, 0.8), b=member(2, 0.8), c=member(3, 0.8))


def test_every_rule_of_the_task_is_judged_but_the_one_that_depends_on_time(three: Evaluation) -> None:
    fitting = [name for name, rule in RULES.items() if "classification" in rule.tasks]
    assert list(three.rules) == [name for name in fitting if name != "first"]
    assert (three.task, three.rows, list(three.members)) == ("classification", ROWS, ["a", "b", "c"])


def test_figures_are_those_of_the_members_and_of_the_combined_answer(three: Evaluation) -> None:
    votes = np.stack([member(seed, 0.8) for seed in (1, 2, 3)])
    rule = make_rule("soft", "classification", 2)
    soft = rule.combine(votes, np.ones((3, ROWS)))
    assert three.members["b"]["accuracy"] == pytest.approx((votes[1].argmax(axis=1) == 0).mean())
    assert three.rules["soft"].figures["accuracy"] == pytest.approx((soft.argmax(axis=1) == 0).mean())
    without_b = rule.combine(votes[[0, 2]], np.ones((2, ROWS)))
    expected = -np.log(without_b[:, 0]).mean() + np.log(soft[:, 0]).mean()
    assert three.rules["soft"].without["b"]["log_loss"].value == pytest.approx(expected)
    against_b = -np.log(soft[:, 0]).mean() + np.log(votes[1][:, 0]).mean()
    assert three.rules["soft"].against["b"]["log_loss"].value == pytest.approx(against_b)


def test_an_ensemble_of_equals_that_err_apart_is_better_than_each(three: Evaluation) -> None:
    for metric, compared in compare(three, "log_pool").items():
        assert compared.difference.better, metric
        assert (compared.beaten, compared.lost_to) == (3, 0)


def test_an_ensemble_of_copies_shows_no_difference_anywhere() -> None:
    alike = evaluated(a=member(1, 0.8), b=member(1, 0.8), c=member(1, 0.8))
    for rule in ("hard", "soft", "log_pool"):
        for differences in alike.rules[rule].without.values():
            assert not any(one.shown or one.better or one.worse for one in differences.values())


def test_one_good_member_among_bad_ones_is_better_alone_and_missed_when_left_out() -> None:
    uneven = evaluated(good=member(1, 0.95), bad=member(2, 0.6), worse=member(3, 0.55))
    compared = compare(uneven, "hard")["accuracy"]
    assert compared.best == "good"
    assert compared.difference.worse
    assert (compared.beaten, compared.lost_to) == (2, 1)
    without = uneven.rules["soft"].without
    assert without["good"]["log_loss"].worse
    assert without["worse"]["log_loss"].better


def test_the_best_member_is_that_of_the_metric() -> None:
    timid = np.where(member(1, 0.9) > 0.5, 0.51, 0.49)  # right as often, and much less sure
    compared = compare(evaluated(timid=timid, bold=member(2, 0.85)), "soft")
    assert compared["accuracy"].best == "timid"
    assert compared["log_loss"].best == "bold"
    assert list(compared) == ["accuracy", "log_loss"]


def test_intervals_are_those_of_the_normal_approximation_where_it_holds() -> None:
    a, b = member(1, 0.8), member(2, 0.6)
    difference = evaluated(a=a, b=b).rules["hard"].without["b"]["accuracy"]  # a alone, less a vote that a wins ties of
    paired = (a.argmax(axis=1) == 0).astype(float) - (np.minimum(a.argmax(axis=1), b.argmax(axis=1)) == 0)
    half = 1.96 * paired.std() / math.sqrt(ROWS)
    assert difference.value == pytest.approx(paired.mean())
    assert (difference.low, difference.high) == pytest.approx((paired.mean() - half, paired.mean() + half), abs=0.005)


def test_a_pair_is_told_apart_although_each_alone_varies_more_than_they_differ() -> None:
    numbers = np.random.default_rng(8).normal(size=ROWS) * 100
    near, nearer = numbers * 1.02 + 0.3, numbers * 1.01
    evaluation = evaluate("regression", {"near": near[:, None], "nearer": nearer[:, None]}, np.zeros(ROWS))
    assert list(evaluation.members["near"]) == ["rmse"]
    assert evaluation.rules["mean"].without["near"]["rmse"].better
    assert evaluation.rules["mean"].without["nearer"]["rmse"].worse
    assert list(compare(evaluation, "mean")) == ["rmse"]


def test_what_is_not_shown_is_neither_better_nor_worse() -> None:
    for low, high in ((-0.1, 0.3), (0.0, 0.3), (-0.3, 0.0), (0.0, 0.0)):
        doubtful = Difference("accuracy", (low + high) / 2, low, high)
        assert [doubtful.shown, doubtful.better, doubtful.worse] == [False, False, False]
    shown = [Difference(metric, 0.2, 0.1, 0.3) for metric in ("accuracy", "rmse")]
    assert [one.better for one in shown] == [True, False]
    assert [one.worse for one in shown] == [False, True]


def test_a_single_member_can_be_judged_and_not_left_out() -> None:
    alone = evaluated(a=member(1, 0.8))
    assert alone.rules["log_pool"].without == {}
    assert alone.rules["log_pool"].against["a"]["accuracy"].value == 0


def test_the_same_seed_gives_the_same_intervals_and_another_gives_others() -> None:
    scores = {"a": member(1, 0.8), "b": member(2, 0.7)}
    first, again, other = (evaluate("classification", scores, TRUTH, seed) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert first.members == other.members


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to evaluate: 0 members, 400 rows"):
        evaluated()
    with pytest.raises(ValueError, match="1 members, 0 rows"):
        evaluate("regression", {"a": np.zeros((0, 1))}, np.zeros(0))

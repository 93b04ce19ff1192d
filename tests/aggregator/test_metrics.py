"""Each metric against scikit-learn or a calculation by hand, and the same on resamples as on the rows they hold."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from aggregator.metrics import METRICS, accuracy, better, calibration_error, log_loss, rmse
from models.types import Array

ROWS, CLASSES = 200, 4


def once(rows: int = ROWS) -> Array:
    return np.ones((1, rows))


@pytest.fixture(scope="module")
def scores() -> Array:
    probabilities: Array = np.random.default_rng(3).dirichlet(np.ones(CLASSES), ROWS)
    return probabilities


@pytest.fixture(scope="module")
def truth() -> Array:
    return np.random.default_rng(4).integers(CLASSES, size=ROWS)


def test_accuracy_is_that_of_scikit_learn(scores: Array, truth: Array) -> None:
    expected = sklearn_metrics.accuracy_score(truth, scores.argmax(axis=1))
    assert accuracy(scores, truth, once()) == pytest.approx([expected], abs=1e-12)


def test_log_loss_is_that_of_scikit_learn(scores: Array, truth: Array) -> None:
    assert log_loss(scores, truth, once()) == pytest.approx([sklearn_metrics.log_loss(truth, scores)], abs=1e-9)


def test_log_loss_of_a_zero_is_bounded() -> None:
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert log_loss(sure, np.array([0, 1]), once(2)) == pytest.approx([math.log(1e6) / 2])


def test_rmse_is_that_of_scikit_learn() -> None:
    numbers, right = np.random.default_rng(5).normal(size=(2, ROWS))
    expected = sklearn_metrics.root_mean_squared_error(right, numbers)
    assert rmse(numbers[:, None], right, once()) == pytest.approx([expected])


def test_calibration_error_is_the_gap_of_each_bin_by_its_rows() -> None:
    # two rows with confidence 0.9, of which one is right: a gap of 0.4; two with 0.62, both right: 0.38
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.62, 0.38], [0.38, 0.62]])
    assert calibration_error(scores, np.array([0, 1, 0, 1]), once(4)) == pytest.approx([0.5 * 0.4 + 0.5 * 0.38])


def test_gaps_of_one_bin_make_up_for_each_other_and_those_of_two_do_not() -> None:
    within = np.array([[0.88, 0.12], [0.92, 0.08]])  # both in the bin from 13/15 to 14/15
    assert calibration_error(within, np.array([0, 1]), once(2)) == pytest.approx([abs(0.88 - 1 + 0.92) / 2])
    apart = np.array([[0.55, 0.45], [0.92, 0.08]])
    assert calibration_error(apart, np.array([0, 1]), once(2)) == pytest.approx([(0.45 + 0.92) / 2])


@pytest.mark.parametrize(("confidence", "gap"), [(1.0, 0.0), (0.8, 0.2)])
def test_the_upper_edge_of_a_bin_is_within(confidence: float, gap: float) -> None:
    other = (confidence + confidence - 1 / 15 + 1e-6) / 2  # of the same bin as its upper edge
    scores = np.array([[confidence, 1 - confidence], [other, 1 - other]])
    expected = abs(confidence + other - 1) / 2
    assert calibration_error(scores, np.array([0, 1]), once(2)) == pytest.approx([expected])
    assert calibration_error(scores[:1], np.array([0]), once(1)) == pytest.approx([gap], abs=1e-12)


@pytest.mark.parametrize("name", METRICS["classification"])
def test_a_figure_of_a_resample_is_that_of_the_rows_it_holds(name: str, scores: Array, truth: Array) -> None:
    metric = METRICS["classification"][name]
    chosen = np.random.default_rng(6).integers(ROWS, size=(3, ROWS))
    counts = np.stack([np.bincount(rows, minlength=ROWS) for rows in chosen])
    expected = [metric(scores[rows], truth[rows], once())[0] for rows in chosen]
    assert metric(scores, truth, counts) == pytest.approx(expected)


def test_only_of_an_accuracy_more_is_better() -> None:
    named = [*METRICS["classification"], *METRICS["regression"]]
    assert {name for name in named if better(name, 1.0)} == {"accuracy"}
    assert {name for name in named if better(name, -1.0)} == {"log_loss", "calibration_error", "rmse"}
    assert not any(better(name, 0.0) for name in named)

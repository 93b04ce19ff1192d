"""How well scores fit the truth, on all rows or on many resamples of them at once. NumPy only, pure.

n rows, k classes (1 for a regression), b samples. A metric takes `scores` (n, k), `truth` (n,), label indices or
numbers, and `counts` (b, n), how often each sample holds each row; it gives one figure a sample, (b,).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from models.calibration import FLOOR
from models.types import Array, Task

BINS = 15  # as in Guo et al.

Metric = Callable[[Array, Array, Array], Array]


def accuracy(scores: Array, truth: Array, counts: Array) -> Array:
    """The share of rows whose label, the first of the highest scores, is the true one."""
    return _mean(scores.argmax(axis=1) == truth, counts)


def log_loss(scores: Array, truth: Array, counts: Array) -> Array:
    """The mean of -ln of the probability of the truth, in nats; none counts as less than 1e-6.

    The shares of a hard vote may be 0, and one unanimous mistake then costs 13.8.
    """
    given = scores[np.arange(len(truth)), truth]
    return _mean(-np.log(np.maximum(given, FLOOR)), counts)


def calibration_error(scores: Array, truth: Array, counts: Array) -> Array:
    """By how much confidence and accuracy differ on average: the expected calibration error.

    Rows are put into 15 bins of equal width by the highest probability, the upper edge within; each bin counts by its
    rows. Of few rows it is never quite 0. Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning" (2015); 15 bins as in Guo et al., "On Calibration of Modern Neural Networks" (2017).
    """
    confidence = scores.max(axis=1)
    gaps = confidence - (scores.argmax(axis=1) == truth)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    in_bin = bins[:, None] == np.arange(BINS)
    sums: Array = np.abs(counts @ (gaps[:, None] * in_bin)).sum(axis=1)
    return np.asarray(sums / counts.sum(axis=1))


def rmse(scores: Array, truth: Array, counts: Array) -> Array:
    """The root of the mean squared error, in the units of the truth."""
    roots: Array = np.sqrt(_mean((scores[:, 0] - truth) ** 2, counts))
    return roots


METRICS: Mapping[Task, Mapping[str, Metric]] = MappingProxyType(
    {
        "classification": {"accuracy": accuracy, "log_loss": log_loss, "calibration_error": calibration_error},
        "regression": {"rmse": rmse},
    }
)


def better(metric: str, difference: float) -> bool:
    """Whether `difference` is for the better: of an accuracy upwards, of errors and losses downwards."""
    return difference > 0 if metric == "accuracy" else difference < 0


def _mean(values: Array, counts: Array) -> Array:
    means: Array = (counts @ values.astype(np.float64)) / counts.sum(axis=1)
    return means

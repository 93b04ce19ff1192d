"""The rules for regressions. `aggregator.rules` says what all rules keep."""

import numpy as np

from aggregator.sums import added, or_one
from models.types import Array, Task

REGRESSION = frozenset[Task](["regression"])
HUGE = 1e280  # times all the weight there can be, 2**53, it still fits into a float
UNIT = 2.0**64  # in which larger numbers are added; a power of two changes no digit
LARGEST = np.finfo(np.float64).max
TRIMMED = 5  # of so many votes one is dropped on either side


class Number:
    """Of the rules for regressions, what they share: nothing bounds a number, so it is settled when nobody is out."""

    tasks = REGRESSION
    early = False

    def __init__(self, classes: int = 1) -> None:
        pass

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        nobody_out: Array = outstanding == 0
        return nobody_out


class Mean(Number):
    """The weighted mean of the numbers."""

    def combine(self, scores: Array, weights: Array) -> Array:
        return _mean(scores[:, :, 0], weights)


class Median(Number):
    """The number with half the weight on either side; where two share that place, their mean."""

    def combine(self, scores: Array, weights: Array) -> Array:
        values, rows = scores[:, :, 0], np.arange(scores.shape[1])
        order = values.argsort(axis=0, kind="stable")
        upto = np.add.accumulate(weights[order, rows], axis=0)
        twice, total = 2 * upto, upto[-1]  # half a weight may be no integer
        # the first vote that reaches half the weight, and the first that passes it; neither can be one of weight 0
        low = np.add.reduce(twice < total, axis=0)
        high = np.minimum(np.add.reduce(twice <= total, axis=0), len(values) - 1)  # no weight at all: past the end
        middle = 0.5 * values[order[low, rows], rows] + 0.5 * values[order[high, rows], rows]
        return np.where(total > 0, middle, 0.0)[:, None]


class TrimmedMean(Number):
    """The weighted mean without the lowest and the highest fifth of the votes, rounded down to whole votes.

    That is one on either side of 5 to 9 votes, two of 10, and none of fewer than 5. Votes of equal weight give
    `scipy.stats.trim_mean(numbers, 0.2)`. Of others the same share of the *weight* goes on either side, if need be as a
    part of a vote: a number can be far off, but not weigh more for it.
    """

    def combine(self, scores: Array, weights: Array) -> Array:
        values, rows = scores[:, :, 0], np.arange(scores.shape[1])
        order = values.argsort(axis=0, kind="stable")
        weight = weights[order, rows]
        upto = np.add.accumulate(weight, axis=0)
        total, votes = upto[-1], np.add.reduce(weights > 0, axis=0)
        cut = total * (votes // TRIMMED) / or_one(votes)  # the product first: of equal weights this is exact
        kept = np.minimum(upto, total - cut) - np.maximum(upto - weight, cut)
        return _mean(values[order, rows], np.maximum(kept, 0.0))


def _mean(values: Array, weights: Array) -> Array:
    """The weighted mean of `values` (m, n): (n, 1); finite, however large they are."""
    unit = np.where(np.abs(values).max(axis=0) > HUGE, UNIT, 1.0)
    means = added(values / unit * weights) / or_one(added(weights))
    with np.errstate(over="ignore"):  # the mean of the largest numbers there are may be rounded up
        finite = np.clip(means * unit, -LARGEST, LARGEST)
    return np.asarray(finite + 0.0)[:, None]  # -0.0 becomes 0.0, as it would beside a vote that is not there

"""The rules that vote on labels or average their probabilities; `aggregator.rules` says what all rules keep."""

import math

import numpy as np

from aggregator.sums import added, or_one, reach, shares, unbeatable, weighted
from models.types import Array, Task

CLASSIFICATION = frozenset[Task](["classification"])


class HardVote:
    """The label with the most weight; of equals the first, as in scikit-learn. Probabilities are shares of the vote.

    A member votes for the first of its own highest scores. `settled` is exact.
    """

    tasks = CLASSIFICATION
    early = True

    def __init__(self, classes: int) -> None:
        self._ranks = np.arange(classes)

    def combine(self, scores: Array, weights: Array) -> Array:
        return shares(self._counts(scores, weights), added(weights))

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        return unbeatable(self._counts(scores, weights), outstanding, self._ranks)

    def _counts(self, scores: Array, weights: Array) -> Array:
        votes = scores.argmax(axis=2)[:, :, None] == self._ranks
        return added(votes * weights[:, :, None])


class SoftVote:
    """The weighted mean of the probabilities, as in scikit-learn.

    Settled when the winner would win even if everyone still out were certain of one rival; in doubt not.
    """

    tasks = CLASSIFICATION
    early = False

    def __init__(self, classes: int) -> None:
        self._ranks = np.arange(classes)

    def combine(self, scores: Array, weights: Array) -> Array:
        return shares(weighted(scores, weights), added(weights))

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        return unbeatable(weighted(scores, weights), reach(weights, outstanding), self._ranks)


class LogPool:
    """The weighted geometric mean of the probabilities, each at least `floor`, renormalised.

    With the floor no single zero is a veto. Settled as `SoftVote` is. The logarithmic opinion pool: Genest and Zidek,
    "Combining Probability Distributions" (1986).
    """

    tasks = CLASSIFICATION
    early = False

    def __init__(self, classes: int) -> None:
        self.floor = min(1e-3, 0.01 / classes)  # a few hundred rows of calibration know no less
        self._ranks = np.arange(classes)
        # By how much one unit of weight can move a rival against the winner: 1 for the one, the floor for the other. No
        # ceiling of 1 - (k-1) * floor applies, for what is floored is not renormalised before it is pooled.
        self._bound = -math.log(self.floor)

    def combine(self, scores: Array, weights: Array) -> Array:
        means = self._logs(scores, weights) / or_one(added(weights))[:, None]
        pooled = np.exp(means)  # from floor to 1: nothing can overflow or vanish
        return pooled / np.add.accumulate(pooled, axis=1)[:, -1:]

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        gain = reach(weights, outstanding) * self._bound
        return unbeatable(self._logs(scores, weights), gain, self._ranks)

    def _logs(self, scores: Array, weights: Array) -> Array:
        return weighted(np.log(np.maximum(scores, self.floor)), weights)

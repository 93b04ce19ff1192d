"""The rule that takes whoever answers first; `aggregator.rules` says what all rules keep."""

import numpy as np

from aggregator.averages import REGRESSION
from aggregator.sums import added
from aggregator.votes import CLASSIFICATION
from models.types import Array


class First:
    """The answer of whoever answers first: the set of members that answered is frozen at the first vote.

    Where several are in the set, for a quorum over 1 or a request with `early` false, the first in the configuration
    speaks for it: the answer depends on the set, not on the order of arrival. So who is still out is never waited for,
    though it could say otherwise: unlike elsewhere, settled is what has a vote.
    """

    tasks = CLASSIFICATION | REGRESSION
    early = True

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def combine(self, scores: Array, weights: Array) -> Array:
        voted = weights > 0
        rows = np.arange(scores.shape[1])
        said: Array = scores[voted.argmax(axis=0), rows] + 0.0
        silent = ~voted.any(axis=0)
        if silent.any():
            said[silent] = 1 / self._classes if self._classes > 1 else 0.0
        return said

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        settled: Array = (added(weights) > 0) | (outstanding == 0)
        return settled

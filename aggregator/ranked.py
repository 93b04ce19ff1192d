"""The rules that look at more than sums of probabilities; `aggregator.rules` says what all rules keep."""

import numpy as np

from aggregator.sums import added, reach, shares, unbeatable, weighted
from aggregator.votes import CLASSIFICATION
from models.types import Array

EXACT = 2.0**53  # up to here every integer is a float


class HighestProbability:
    """Of each label the highest probability that any member gives it, renormalised. Weights do not matter.

    A member that is out can raise any label to 1, and lower none. So a label is settled only at 1, and only the first,
    for a tie at 1 goes to it. That is exact, and seldom: who wants to leave early should choose another rule.
    """

    tasks = CLASSIFICATION
    early = False

    def __init__(self, classes: int) -> None:
        self._ranks = np.arange(classes)

    def combine(self, scores: Array, weights: Array) -> Array:
        highest = self._highest(scores, weights)
        return shares(highest, np.add.accumulate(highest, axis=1)[:, -1])

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        highest = self._highest(scores, weights)
        winner = highest.argmax(axis=1)
        rivals = self._ranks != winner[:, None]
        settled: Array = (np.where(rivals, 1.0, highest).argmax(axis=1) == winner) | (outstanding == 0)
        return settled

    def _highest(self, scores: Array, weights: Array) -> Array:
        highest: Array = (scores * (weights > 0)[:, :, None]).max(axis=0)
        return highest


class BordaCount:
    """Each member gives a label a point for each label that it puts below, half a point for each that it puts beside.

    Probabilities are shares of the points. A member that is out can give a rival all the points there are, k - 1, and
    the winner none, so `settled` is exact. The points are doubled: all that is added are integers. Borda, "Memoire sur
    les elections au scrutin" (1781).
    """

    tasks = CLASSIFICATION
    early = False

    def __init__(self, classes: int) -> None:
        self._ranks = np.arange(classes)
        self._most = 2.0 * (classes - 1)  # doubled points that one label can get of one vote

    def combine(self, scores: Array, weights: Array) -> Array:
        points = self._points(scores, weights)
        return shares(points, np.add.accumulate(points, axis=1)[:, -1])

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        everything = (added(weights) + outstanding) * self._most * len(self._ranks)
        out = np.where(everything <= EXACT, outstanding, reach(weights, outstanding))
        return unbeatable(self._points(scores, weights), out * self._most, self._ranks)

    def _points(self, scores: Array, weights: Array) -> Array:
        order = scores.argsort(axis=2)
        ordered = np.take_along_axis(scores, order, axis=2)
        first, last = np.ones(scores.shape, dtype=bool), np.ones(scores.shape, dtype=bool)
        first[:, :, 1:] = last[:, :, :-1] = ordered[:, :, 1:] != ordered[:, :, :-1]
        # of each run of equals the first place, which is how many are below, and the last
        start = np.maximum.accumulate(np.where(first, self._ranks, 0), axis=2)
        stop = np.minimum.accumulate(np.where(last, self._ranks, len(self._ranks))[:, :, ::-1], axis=2)[:, :, ::-1]
        points = np.empty(scores.shape)
        np.put_along_axis(points, order, start + stop, axis=2)
        return weighted(points, weights)

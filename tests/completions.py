"""Votes for the tests of rules, and all that they can still become."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from aggregator.rules import Rule
from models.types import Array

UNHEARD = -1


def column(*values: float) -> Array:
    """One number per member, as scores or weights of a single row: (m, 1)."""
    return np.array(values, dtype=np.float64)[:, None]


def row(*members: Sequence[float]) -> Array:
    """One distribution per member, as scores of a single row: (m, 1, k)."""
    return np.array(members, dtype=np.float64)[:, None, :]


def drawn(rng: np.random.Generator, members: int, rows: int, classes: int) -> tuple[Array, Array]:
    """Scores and weights of which some are tied, certain or not there; every row has a vote."""
    scores = rng.dirichlet(np.full(classes, rng.choice([0.05, 0.5, 5])), (members, rows))
    tenths = rng.multinomial(10, np.full(classes, 1 / classes), (members, rows)) / 10
    scores = np.where(rng.random((members, rows, 1)) < 0.5, scores, tenths)
    weights = rng.integers(1, rng.choice([2, 4, 1000]), (members, 1)) * np.ones((members, rows))
    weights[1:] *= rng.random((members - 1, rows)) < 0.7
    return scores * (weights > 0)[:, :, None], weights


class Completions:
    """All that m members can have said by now, and all that it can still become.

    By now a member said one of `points` (p, k), or is still out, or is gone. In the end one that is out said any of the
    points, or nothing.
    """

    def __init__(self, points: Array, members: int) -> None:
        p = len(points)
        self._points = np.vstack([points, np.zeros_like(points[:1])])  # the last, at UNHEARD, is no vote
        states = np.array(list(itertools.product(range(p + 2), repeat=members)))  # p: out, p + 1: gone
        self._out = states == p
        self._now = np.where(states < p, states, UNHEARD)
        self._ends = np.array(list(itertools.product(range(UNHEARD, p), repeat=members)))
        possible = [out[:, None] | (now[:, None] == end) for out, now, end in self._by_member()]
        self._possible = np.logical_and.reduce(possible).astype(np.float32)

    def _by_member(self) -> Iterator[tuple[Array, Array, Array]]:
        return zip(self._out.T, self._now.T, self._ends.T, strict=True)

    def judge(self, rule: Rule, weights: Sequence[int]) -> tuple[Array, Array, Array]:
        """Settled as the rule says, and as it is; and the weight still out. All per state of the present."""
        weight = np.array(weights, dtype=np.float64)
        final = rule.combine(*self.votes(self._ends, weight)).argmax(axis=1)
        labels = (final[:, None] == np.arange(self._points.shape[1])).astype(np.float32)
        reachable = (self._possible @ labels > 0).sum(axis=1)  # what was said by now is a completion too: nobody came
        out = self._out @ weight
        return rule.settled(*self.votes(self._now, weight), out), reachable == 1, out

    def now(self, weights: Sequence[int]) -> tuple[Array, Array]:
        return self.votes(self._now, np.array(weights, dtype=np.float64))

    def votes(self, said: Array, weight: Array) -> tuple[Array, Array]:
        """Scores and weights (m, n): the states are the rows."""
        return self._points[said.T], (said.T != UNHEARD) * weight[:, None]


def grid(steps: int, classes: int) -> Array:
    """All distributions in multiples of 1 / steps, vertices included: (p, k)."""
    counts = [point for point in itertools.product(range(steps + 1), repeat=classes) if sum(point) == steps]
    return np.array(counts) / steps

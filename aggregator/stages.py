"""The state of one cascade: every vote that was cast, and which rows need more of them. No clock, no I/O.

m members, counted stage after stage; n rows, k classes (1 for a regression). An answer of a stage is the rule over all
votes that were cast for the row in this stage and those before it: a vote is never asked for twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.measures import agreement
from aggregator.rules import Rule
from aggregator.sums import added, or_one
from models.types import Array


@dataclass(frozen=True, slots=True)
class Sureness:
    """When a row needs nobody else: by the share of weight behind its label, and by the probability of that label.

    Of a regression: by the standard deviation of what its members say, `max_spread` at most. One vote has none.
    """

    min_agreement: float = 1.0
    min_confidence: float = 0.95
    max_spread: float = 0.0

    def of(self, scores: Array, weights: Array, combined: Array) -> Array:
        """Whether each row is sure: bool (n,)."""
        if combined.shape[1] == 1:
            several = np.add.reduce(weights > 0, axis=0) > 1
            return np.asarray(several & (spread(scores, weights) <= self.max_spread))
        confident = combined.max(axis=1) >= self.min_confidence
        return np.asarray(confident & (agreement(scores, weights, combined) >= self.min_agreement))


def spread(scores: Array, weights: Array) -> Array:
    """The weighted standard deviation of the numbers (m, n, 1) of each row: (n,)."""
    total = or_one(added(weights))
    values = scores[:, :, 0]
    mean = added(values / total * weights)
    return np.asarray(np.sqrt(added((values - mean) ** 2 / total * weights)))


class Stages:
    """Record what the members of each stage say of the rows that are still open, and close those that are sure.

    `members` is how many each stage has; `weights` (m,) are integers, as `aggregator.weights.integer_weights` makes
    them.
    """

    def __init__(self, rule: Rule, members: Sequence[int], weights: Array, *, rows: int, classes: int) -> None:
        self._rule = rule
        self._stage = np.repeat(np.arange(len(members)) + 1, members)  # (m,): of each member
        self._weights = weights
        self.scores = np.full((len(weights), rows, classes), np.nan)
        """(m, n, k): what was said; NaN where nobody was asked, or nobody answered."""
        self._votes = np.zeros((len(weights), rows))
        self.combined = np.zeros((rows, classes))
        self.decided = np.zeros(rows, np.int64)
        """(n,): the stage whose answer each row has, counted from 1; 0 where it has none yet."""
        self._open = np.arange(rows)

    @property
    def open(self) -> Array:
        """The rows that the next stage is asked about, in order."""
        return self._open

    def record(self, member: int, scores: Array) -> None:
        """`member` said `scores` (o, k) of the o open rows."""
        self.scores[member, self._open] = scores
        self._votes[member, self._open] = self._weights[member]

    def decide(self, stage: int, sureness: Sureness, outstanding: float | None = None) -> None:
        """`stage`, counted from 1, has its quorum: its rows have an answer, and those that are sure are closed.

        With `outstanding`, the weight of the stages to come, rows are closed, too, whose label these cannot change.
        """
        rows = self._open
        votes = self._votes[:, rows]
        scores = np.nan_to_num(self.scores[:, rows])  # what has no weight must be a number all the same
        combined = self._rule.combine(scores, votes)
        self.combined[rows] = combined
        self.decided[rows] = stage
        sure = sureness.of(scores, votes, combined)
        if outstanding is not None:
            sure |= self._rule.settled(scores, votes, np.full(len(rows), outstanding))
        self._open = rows[~sure]

    def agreement(self) -> Array:
        """The share of the weight behind each answer, of what was cast up to the stage that decided it: (n,)."""
        votes = np.where(self._stage[:, None] <= self.decided, self._votes, 0.0)
        return agreement(np.nan_to_num(self.scores), votes, self.combined)

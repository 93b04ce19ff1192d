"""What the votes of one moment make of the rows: worked out once, by the first who asks."""

from dataclasses import dataclass

from aggregator.measures import agreement, entropy
from aggregator.rules import Rule
from models.types import ALL_ROWS, Array

LARGE = 1 << 18  # bytes of scores: to pool so many takes about a millisecond


@dataclass(frozen=True, slots=True)
class Pool:
    """What the votes make of rows: combined (n, k); of a classification also agreement and entropy (n,)."""

    combined: Array
    agreement: Array | None = None
    entropy: Array | None = None


class Pooling:
    """The `scores` (m, n, k) and `votes` (m, n) of one moment, which nobody changes until they are pooled.

    Rules look at each row by itself, so what they say of all rows holds for each caller's.
    """

    __slots__ = ("_all", "_rule", "_scores", "_votes")

    def __init__(self, rule: Rule, scores: Array, votes: Array) -> None:
        self._rule = rule
        self._scores = scores
        self._votes = votes
        self._all: Pool | None = None

    @property
    def size(self) -> int:
        """The bytes that there are to look at."""
        return self._scores.nbytes

    def of(self, rows: slice) -> tuple[Pool, slice]:
        """A pool, and which part of it `rows` are."""
        if self._all is None:
            try:
                self._all = self._of(ALL_ROWS)
            except Exception:  # a rule that fails over a row fails those who asked about that row, and nobody else
                return self._of(rows), ALL_ROWS
        return self._all, rows

    def _of(self, rows: slice) -> Pool:
        scores, votes = self._scores[:, rows], self._votes[:, rows]
        combined = self._rule.combine(scores, votes)
        if combined.shape[1] == 1:  # a regression: there are no labels to agree on
            return Pool(combined)
        return Pool(combined, agreement(scores, votes, combined), entropy(combined))

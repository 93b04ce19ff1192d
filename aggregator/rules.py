"""How many answers become one: `combine` them, and know when the label is `settled`. NumPy only, no state, no clock.

m members, n rows, k classes (1 for a regression). Every rule takes `scores` (m, n, k) and `weights` (m, n), both
float64; where a member gave no vote for a row, its weight and its scores there are 0. `settled` takes also
`outstanding` (n,), the weight still out per row. Weights are integers (`integer_weights`), so that ties are exact;
rules are homogeneous in them, so no answer depends on the scale.

Members are added one after the other in the order of axis 0, whatever the memory layout: a row's answer is the same to
the last bit alone and in a batch, and with or without members that gave no vote. Ask only for rows with votes; where
all weights are 0, the answer is uniform probabilities, or the number 0.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from types import MappingProxyType
from typing import Protocol

import numpy as np

from models.types import Array, Task

DOUBT = 1e-9  # of all weight: far above what sums of floats can be wrong by, far below what a vote can tell
CLASSIFICATION = frozenset[Task](["classification"])
REGRESSION = frozenset[Task](["regression"])


class Rule(Protocol):
    """How an ensemble answers; `early` says whether it leaves, by default, as soon as its labels are settled."""

    early: bool

    def combine(self, scores: Array, weights: Array) -> Array:
        """The answer: probabilities (n, k), or numbers (n, 1)."""

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        """Whether no answer still out could change the row's label, the first of the highest: bool (n,)."""


class RuleClass(Protocol):
    """What makes a rule for `classes` labels; `tasks` are those that it fits."""

    tasks: frozenset[Task]

    def __call__(self, classes: int) -> Rule: ...


class HardVote:
    """The label with the most weight; of equals the first, as in scikit-learn. Probabilities are shares of the vote.

    A member votes for the first of its own highest scores. `settled` is exact.
    """

    tasks = CLASSIFICATION
    early = True

    def __init__(self, classes: int) -> None:
        self._ranks = np.arange(classes)

    def combine(self, scores: Array, weights: Array) -> Array:
        return _shares(self._counts(scores, weights), _added(weights))

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        return _unbeatable(self._counts(scores, weights), outstanding, self._ranks)

    def _counts(self, scores: Array, weights: Array) -> Array:
        votes = scores.argmax(axis=2)[:, :, None] == self._ranks
        return _added(votes * weights[:, :, None])


class SoftVote:
    """The weighted mean of the probabilities, as in scikit-learn.

    Settled when the winner would win even if everyone still out were certain of one rival; in doubt not.
    """

    tasks = CLASSIFICATION
    early = False

    def __init__(self, classes: int) -> None:
        self._ranks = np.arange(classes)

    def combine(self, scores: Array, weights: Array) -> Array:
        return _shares(_weighted(scores, weights), _added(weights))

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        return _unbeatable(_weighted(scores, weights), _reach(weights, outstanding), self._ranks)


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
        means = self._logs(scores, weights) / _or_one(_added(weights))[:, None]
        pooled = np.exp(means)  # from floor to 1: nothing can overflow or vanish
        return pooled / np.add.accumulate(pooled, axis=1)[:, -1:]

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        reach = _reach(weights, outstanding) * self._bound
        return _unbeatable(self._logs(scores, weights), reach, self._ranks)

    def _logs(self, scores: Array, weights: Array) -> Array:
        return _weighted(np.log(np.maximum(scores, self.floor)), weights)


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
        means = _weighted(scores, weights) / _or_one(_added(weights))[:, None]
        return means + 0.0  # -0.0 becomes 0.0, as it would beside a vote that is not there


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


RULES: Mapping[str, RuleClass] = MappingProxyType(
    {"hard": HardVote, "soft": SoftVote, "log_pool": LogPool, "mean": Mean, "median": Median}
)
DEFAULT_RULE: Mapping[Task, str] = MappingProxyType({"classification": "log_pool", "regression": "mean"})


def make_rule(name: str, task: Task, classes: int) -> Rule:
    """The rule called `name`, for `classes` labels; a regression has none, and any number will do.

    Raises:
        ValueError: there is no such rule, or it does not fit `task`.
    """
    fitting = [other for other, rule in RULES.items() if task in rule.tasks]
    if name not in fitting:
        raise ValueError(f"no rule {name!r} for {task}; rules that fit: {', '.join(fitting) or 'none'}")
    if task == "classification" and classes < 1:
        raise ValueError(f"a classification needs at least one label, got {classes}")
    return RULES[name](classes)


def integer_weights(weights: Sequence[float]) -> Array:
    """The smallest integers in the same proportions as `weights`, read as the decimals they were written as: (m,).

    Raises:
        ValueError: one is negative or not finite, none is positive, or their sum would not be exact in float64.
    """
    for weight in weights:
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"a weight must be finite and at least 0, got {weight}")
    if not any(weights):
        raise ValueError(f"at least one weight must be above 0, got {list(weights)}")
    exact = [Fraction(str(weight)) for weight in weights]
    unit = math.lcm(*(fraction.denominator for fraction in exact))
    integers = [int(fraction * unit) for fraction in exact]
    common = math.gcd(*integers)
    if sum(integers) // common > 2**53:
        raise ValueError(f"weights must have a common unit, at most 2**53 of it; use fewer digits than {list(weights)}")
    return np.array([integer // common for integer in integers], dtype=np.float64)


def agreement(scores: Array, weights: Array, combined: Array) -> Array:
    """The share of the weight whose own label is that of `combined` (n, k): (n,); 0 where nobody voted."""
    agreeing = scores.argmax(axis=2) == combined.argmax(axis=1)
    return _added(agreeing * weights) / _or_one(_added(weights))


def entropy(probabilities: Array) -> Array:
    """The entropy of each row of `probabilities` (n, k), in nats: (n,); exactly 0 for certainty."""
    terms = probabilities * np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return 0.0 - np.add.accumulate(terms, axis=1)[:, -1]  # from 0, for the negative of 0.0 is -0.0


def _added(values: Array) -> Array:
    """The sum over members; np.sum would add some layouts in pairs, and then the last bit would depend on the batch."""
    total: Array = reduce(np.add, values)
    return total


def _weighted(scores: Array, weights: Array) -> Array:
    return _added(scores * weights[:, :, None])


def _or_one(total: Array) -> Array:
    divisor: Array = total + (total == 0)
    return divisor


def _shares(sums: Array, total: Array) -> Array:
    """`sums` (n, k) over their `total` (n,); uniform where that is 0."""
    nobody = total == 0
    if nobody.any():
        sums, total = sums + nobody[:, None], total + nobody * sums.shape[1]
    shares: Array = sums / total[:, None]
    return shares


def _reach(weights: Array, outstanding: Array) -> Array:
    """How much a rival could gain (n,), and a little more where anyone is out: in doubt, it could."""
    doubt = DOUBT * (_added(weights) + outstanding)
    reach: Array = outstanding + doubt * (outstanding > 0)
    return reach


def _unbeatable(sums: Array, reach: Array, ranks: Array) -> Array:
    """Whether the first of the highest `sums` (n, k) stays it, were every other class to gain `reach` (n,)."""
    winner = sums.argmax(axis=1)
    rivals = ranks != winner[:, None]
    same: Array = (sums + rivals * reach[:, None]).argmax(axis=1) == winner
    return same

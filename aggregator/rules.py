"""How many answers become one: `combine` them, and know when the label is `settled`. NumPy only, no state, no clock.

m members, n rows, k classes (1 for a regression). Every rule takes `scores` (m, n, k) and `weights` (m, n), both
float64; where a member gave no vote for a row, its weight and its scores there are 0. `settled` takes also
`outstanding` (n,), the weight still out per row. Weights are integers (`integer_weights`), so that ties are exact;
rules are homogeneous in them, so no answer depends on the scale.

Members are added one after the other in the order of axis 0, whatever the memory layout: a row's answer is the same to
the last bit alone and in a batch, and with or without members that gave no vote. Ask only for rows with votes; where
all weights are 0, the answer is uniform probabilities, or the number 0.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from aggregator.averages import Mean, Median, TrimmedMean
from aggregator.custom import CustomRule
from aggregator.first import First
from aggregator.measures import agreement, entropy
from aggregator.ranked import BordaCount, HighestProbability
from aggregator.votes import HardVote, LogPool, SoftVote
from aggregator.weights import integer_weights
from models.types import Array, Task

__all__ = [
    "DEFAULT_QUORUM",
    "DEFAULT_RULE",
    "RULES",
    "Rule",
    "RuleClass",
    "agreement",
    "entropy",
    "integer_weights",
    "make_rule",
]


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


RULES: Mapping[str, RuleClass] = MappingProxyType(
    {
        "hard": HardVote,
        "soft": SoftVote,
        "log_pool": LogPool,
        "max": HighestProbability,
        "rank": BordaCount,
        "mean": Mean,
        "median": Median,
        "trimmed_mean": TrimmedMean,
        "first": First,
    }
)
DEFAULT_RULE: Mapping[Task, str] = MappingProxyType({"classification": "log_pool", "regression": "mean"})
DEFAULT_QUORUM: Mapping[str, int] = MappingProxyType({"first": 1})
"""Of a rule that is not here: a strict majority."""


def make_rule(name: str, task: Task, classes: int, folder: Path | None = None) -> Rule:
    """The rule called `name` for `classes` labels; a regression has none. Or the user's own at the dotted path `name`.

    Python looks for that one in `folder` first.

    Raises:
        ValueError: there is no such rule, or it does not fit `task`.
    """
    fitting = [other for other, rule in RULES.items() if task in rule.tasks]
    if ":" in name and fitting:
        return CustomRule(name, task, classes, folder)
    if name not in fitting:
        raise ValueError(f"no rule {name!r} for {task}; rules that fit: {', '.join(fitting) or 'none'}")
    if task == "classification" and classes < 1:
        raise ValueError(f"a classification needs at least one label, got {classes}")
    return RULES[name](classes)

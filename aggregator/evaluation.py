"""Whether an ensemble pays: each member alone, each rule, and each rule without each member, on rows new to them all.

NumPy only, pure, and the same for the same seed. m members, n rows, k classes (1 for a regression).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from aggregator.metrics import METRICS, Metric, better
from aggregator.rules import RULES, Rule, make_rule
from models.types import Array, Task

RESAMPLES = 2000
SEED = 7
LEVEL = 0.95
JUDGED = ("accuracy", "log_loss", "rmse")  # what says whether an ensemble pays; calibration is part of the log loss
UNJUDGED = frozenset({"first"})  # its answer depends on who is fastest, which rows cannot tell

Figures = Mapping[str, float]
"""By metric."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How much `metric` differs, and the 95 % interval of that."""

    metric: str
    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out zero; else no difference is shown, which is not the same as none."""
        return not self.low <= 0 <= self.high

    @property
    def better(self) -> bool:
        return self.shown and better(self.metric, self.value)

    @property
    def worse(self) -> bool:
        return self.shown and not self.better


Differences = Mapping[str, Difference]
"""By metric."""


@dataclass(frozen=True, slots=True)
class RuleEvaluation:
    """A rule over all members, with equal weights.

    `without` is what leaving a member out would change: the rule without it less the rule. Empty for a single member.
    `against` is what the ensemble is worth beside a member: the rule less that member alone.
    """

    figures: Figures
    without: Mapping[str, Differences]
    against: Mapping[str, Differences]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `rows` rows say of the members alone, and of each rule that fits the task."""

    task: Task
    rows: int
    members: Mapping[str, Figures]
    rules: Mapping[str, RuleEvaluation]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ensemble against the member that is best by one metric on these very rows, which flatters that member."""

    best: str
    difference: Difference
    beaten: int
    """How many members alone are shown to be worse than the ensemble."""
    lost_to: int


def evaluate(task: Task, scores: Mapping[str, Array], truth: Array, seed: int = SEED) -> Evaluation:
    """Compare all on the same rows and the same resamples of them: a paired bootstrap, with percentile intervals.

    `scores` has each member's probabilities (n, k), or numbers (n, 1), in the order of the ensemble; `truth` (n,) holds
    label indices, or numbers. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 16.

    Raises:
        ValueError: no member, or no row.
    """
    if not scores or not len(truth):
        raise ValueError(f"nothing to evaluate: {len(scores)} members, {len(truth)} rows")
    votes = np.stack([np.asarray(said, np.float64) for said in scores.values()])
    measure = partial(_measured, METRICS[task], truth, _counts(len(truth), seed))
    alone = {name: measure(vote) for name, vote in zip(scores, votes, strict=True)}
    rules = {
        name: _of_rule(make_rule(name, task, votes.shape[2]), votes, alone, measure)
        for name, rule in RULES.items()
        if task in rule.tasks and name not in UNJUDGED
    }
    return Evaluation(task, len(truth), {name: _figures(samples) for name, samples in alone.items()}, rules)


def compare(evaluation: Evaluation, rule: str) -> dict[str, Comparison]:
    """By metric: the ensemble with `rule` against its members one by one."""
    against = evaluation.rules[rule].against
    compared = {}
    for metric in (metric for metric in METRICS[evaluation.task] if metric in JUDGED):
        figures = {name: of[metric] for name, of in evaluation.members.items()}
        best = (max if metric == "accuracy" else min)(figures, key=figures.__getitem__)
        differences = [of[metric] for of in against.values()]
        compared[metric] = Comparison(
            best, against[best][metric], sum(one.better for one in differences), sum(one.worse for one in differences)
        )
    return compared


_Samples = Mapping[str, Array]  # by metric: the figure of all rows, then of each resample, (1 + RESAMPLES,)


def _counts(rows: int, seed: int) -> Array:
    """How often each sample holds each row (1 + RESAMPLES, n): the first is the rows as they are."""
    drawn = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), RESAMPLES)
    return np.concatenate((np.ones((1, rows)), drawn))


def _measured(metrics: Mapping[str, Metric], truth: Array, counts: Array, scores: Array) -> _Samples:
    return {name: metric(scores, truth, counts) for name, metric in metrics.items()}


def _of_rule(
    rule: Rule, votes: Array, alone: Mapping[str, _Samples], measure: Callable[[Array], _Samples]
) -> RuleEvaluation:
    def combined(chosen: Array) -> _Samples:
        return measure(rule.combine(chosen, np.ones(chosen.shape[:2])))

    whole = combined(votes)
    left_out = {name: combined(np.delete(votes, at, axis=0)) for at, name in enumerate(alone) if len(alone) > 1}
    return RuleEvaluation(
        _figures(whole),
        {name: _differences(samples, whole) for name, samples in left_out.items()},
        {name: _differences(whole, samples) for name, samples in alone.items()},
    )


def _figures(samples: _Samples) -> Figures:
    return {metric: float(values[0]) for metric, values in samples.items()}


def _differences(these: _Samples, those: _Samples) -> Differences:
    """`these` less `those`, metric by metric, sample by sample."""
    return {metric: _difference(metric, these[metric] - those[metric]) for metric in these}


def _difference(metric: str, differences: Array) -> Difference:
    low, high = np.quantile(differences[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Difference(metric, float(differences[0]), float(low), float(high))

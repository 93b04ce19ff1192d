"""How a shadow's answer compares with the one that left, row by row. NumPy only, pure."""

from collections.abc import Iterator, Mapping

import numpy as np

from aggregator.rules import Rule
from aggregator.weights import integer_weights
from backends.comparisons import Revote, RowComparison
from models.types import Array, Report


def compared(
    answer: Array, said: Array, instead: Array, labels: tuple[str, ...], *, tolerance: float
) -> Iterator[RowComparison]:
    """Each row of `answer`, of what the shadow `said`, and of what would have left `instead`: (n, k) each.

    Labels agree if they are the same, numbers if they differ by a share of `tolerance` at most.
    """
    columns = (answer, said, instead)
    if labels:
        apart = 0.5 * np.abs(said - answer).sum(axis=1)  # total variation: 0 for the same, 1 for other certainties
        chosen = [scores.argmax(axis=1) for scores in columns]
        same = [chosen[0] == other for other in chosen[1:]]
        shown: list[list[str | float]] = [[labels[at] for at in one.tolist()] for one in chosen]
    else:
        apart = _relative(answer, said)
        same = [apart <= tolerance, _relative(answer, instead) <= tolerance]
        shown = [scores[:, 0].tolist() for scores in columns]
    for row, (left, own, would) in enumerate(zip(*shown, strict=True)):
        yield RowComparison(left, own, would, float(apart[row]), bool(same[0][row]), not same[1][row])


def _relative(one: Array, other: Array) -> Array:
    """By how much two numbers differ, as a share of the larger: (n,); 0 if both are."""
    size = np.maximum(np.abs(one), np.abs(other))
    difference: Array = np.abs(one / np.where(size > 0, size, 1) - other / np.where(size > 0, size, 1))[:, 0]
    return difference


def revote_of(rule: Rule, weights: Mapping[str, float], weight: float) -> Revote:
    """For an ensemble with `rule` whose members have `weights`, by name, and one more with a `weight` of its own."""
    places = {name: at for at, name in enumerate(weights)}
    units = integer_weights([*weights.values(), weight])

    def revote(report: Report, said: Array) -> Array:
        scores = np.zeros((len(units), *said.shape))
        votes = np.zeros(scores.shape[:2])
        scores[-1], votes[-1] = said, units[-1]
        for name, member in report.members.items():
            if (theirs := report.said(name)) is None:
                continue
            counted = ~np.isnan(theirs[:, 0])  # a cascade does not ask everyone about every row
            if report.stages is not None and member.stage is not None:
                counted &= member.stage <= report.stages
            scores[places[name], counted] = theirs[counted]
            votes[places[name], counted] = units[places[name]]
        return rule.combine(scores, votes)

    return revote

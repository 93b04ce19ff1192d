"""What a cascade would do at each threshold, from what its members say of rows whose truth is known.

The rows should be new to the members, and not those by which the cascade is judged in the end. NumPy only, pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aggregator.rules import Rule
from aggregator.stages import Stages, Sureness
from aggregator.weights import integer_weights
from models.types import Array

NEVER = 2.0  # no probability is so high


@dataclass(frozen=True, slots=True)
class Outlook:
    """What comes of one threshold, None where every row is asked of every stage.

    `share`: of the rows that go on after the first stage; `accuracy`: of all.
    """

    min_confidence: float | None
    share: float
    accuracy: float


def outlooks(
    rule: Rule,
    stages: Sequence[Mapping[str, Array]],
    truth: Array,
    confidences: Sequence[float],
    *,
    min_agreement: float = 1.0,
    weights: Mapping[str, float] | None = None,
) -> Iterator[Outlook]:
    """What comes of each of `confidences`, and at last of asking every stage about every row.

    `stages` have by member its probabilities (n, k); `truth` (n,) holds label indices.
    """
    units = integer_weights([(weights or {}).get(name, 1.0) for stage in stages for name in stage])
    for confidence in (*confidences, None):
        sureness = Sureness(min_agreement, NEVER if confidence is None else confidence)
        state = _decided(rule, stages, units, sureness)
        right = state.combined.argmax(axis=1) == truth
        yield Outlook(confidence, float(np.mean(state.decided > 1)), float(np.mean(right)))


def _decided(rule: Rule, stages: Sequence[Mapping[str, Array]], units: Array, sureness: Sureness) -> Stages:
    said = [scores for stage in stages for scores in stage.values()]
    rows, classes = said[0].shape
    state = Stages(rule, [len(stage) for stage in stages], units, rows=rows, classes=classes)
    members = enumerate(said)
    for number, stage in enumerate(stages, 1):
        for _ in stage:
            member, scores = next(members)
            state.record(member, scores[state.open])
        state.decide(number, sureness)
    return state

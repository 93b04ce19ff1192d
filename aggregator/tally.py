"""The state of one fan-out: who has said what. No clock, no I/O; times are arguments.

Members are counted from 0, in configured order, over those that were asked. A row's answer depends only on the set
of members that answered, for votes lie in the configured order whenever they came.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from aggregator.measures import agreement, entropy
from aggregator.rules import Rule
from models.types import Array, Fate, Report, Status

Verdict = Literal["complete", "decided", "partial", "impossible"]


@dataclass(frozen=True, slots=True)
class Quorum:
    """What an answer needs: at least `count` members, of at least `weight` together, and all that are `required`."""

    count: int
    weight: float
    required: frozenset[int] = frozenset()

    def met_by(self, members: Set[int], weights: Sequence[float]) -> bool:
        """Whether `members` suffice; `weights` are those of all."""
        return (
            len(members) >= self.count
            and self.required <= members
            and sum(weights[member] for member in members) >= self.weight
        )


@dataclass(frozen=True, slots=True)
class Voice:
    """What became of one member, `elapsed` seconds after the start; `scores` (n, k) if it answered."""

    fate: Fate
    reason: str = ""
    elapsed: float | None = None
    scores: Array | None = None
    degraded: bool = False
    report: Report | None = None  # its own, where it is an ensemble


@dataclass(frozen=True, slots=True)
class Frozen:
    """One caller's answer as it leaves: combined (n, k), agreement and entropy (n,). Without a quorum: only voices.

    `late`: it left at the deadline, without waiting for those still out. `elapsed` seconds after the start; `by`: the
    member whose answer or failure settled it, if anyone's did.
    """

    voices: tuple[Voice, ...]
    late: bool = False
    status: Status | None = None
    combined: Array | None = None
    agreement: Array | None = None
    entropy: Array | None = None
    elapsed: float = 0.0
    by: int | None = None


class Tally:
    """Record the votes of m members on n rows; say when a caller's answer is settled, and freeze it.

    `weights` (m,) are integers, as `aggregator.weights.integer_weights` makes them. Who has answered or is lost has had
    its say: what comes of it later changes nothing.
    """

    def __init__(self, rule: Rule, weights: Array, *, rows: int, classes: int) -> None:
        members = len(weights)
        self._rule = rule
        self._weight: list[float] = weights.tolist()
        self._scores = np.zeros((members, rows, classes))
        self._votes = np.zeros((members, rows))
        self._voices: list[Voice | None] = [None] * members
        self._out = set(range(members))

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, k): what one member's scores look like."""
        return self._scores.shape[1:]

    def record(
        self, member: int, scores: Array, elapsed: float, *, degraded: bool = False, report: Report | None = None
    ) -> None:
        """`member` answered with `scores` (n, k)."""
        if member in self._out:
            self._scores[member] = scores
            self._votes[member] = self._weight[member]
            self._hear(member, Voice("ok", "", elapsed, self._scores[member], degraded, report))

    def lose(self, member: int, fate: Fate, reason: str, elapsed: float, report: Report | None = None) -> None:
        """`member` will not answer."""
        if member in self._out:
            self._hear(member, Voice(fate, reason, elapsed, report=report))

    def _hear(self, member: int, voice: Voice) -> None:
        self._voices[member] = voice
        self._out.discard(member)

    def verdict(self, rows: slice, quorum: Quorum, *, early: bool) -> Verdict | None:
        """What a caller of `rows` can be told now; None while its answer may still change."""
        if not self._reachable(quorum):
            return "impossible"
        if not self._out:
            return "complete" if all(voice and voice.fate == "ok" for voice in self._voices) else "partial"
        if early and self._met(quorum) and self._settled(rows):
            return "decided"
        return None

    def at_the_deadline(self, quorum: Quorum) -> Verdict:
        """What a caller must be told when it can wait no longer."""
        return "partial" if self._met(quorum) else "impossible"

    def _met(self, quorum: Quorum) -> bool:
        return quorum.met_by(self._answered(), self._weight)

    def _reachable(self, quorum: Quorum) -> bool:
        return quorum.met_by(self._answered() | self._out, self._weight)

    def _answered(self) -> set[int]:
        return {member for member, voice in enumerate(self._voices) if voice and voice.fate == "ok"}

    def _settled(self, rows: slice) -> bool:
        outstanding = np.full(self._votes.shape[1], sum(self._weight[member] for member in self._out))[rows]
        return bool(self._rule.settled(self._scores[:, rows], self._votes[:, rows], outstanding).all())

    def freeze(self, rows: slice, verdict: Verdict, *, elapsed: float, late: bool, by: int | None = None) -> Frozen:
        """The answer for `rows` from what has been said by now; nothing that comes later changes it."""
        still_out = Voice("late", "timeout", elapsed) if late else Voice("unneeded", "", elapsed)
        voices = tuple(_about(rows, voice or still_out) for voice in self._voices)
        if verdict == "impossible":
            return Frozen(voices, late, elapsed=elapsed, by=by)
        scores, votes = self._scores[:, rows], self._votes[:, rows]
        combined = self._rule.combine(scores, votes)
        if combined.shape[1] == 1:  # a regression: there are no labels to agree on
            return Frozen(voices, late, verdict, combined, elapsed=elapsed, by=by)
        agreed = agreement(scores, votes, combined)
        return Frozen(voices, late, verdict, combined, agreed, entropy(combined), elapsed, by)


def _about(rows: slice, voice: Voice) -> Voice:
    """`voice` as one caller hears it: what was said of other callers' rows is not its business."""
    return voice if voice.scores is None else replace(voice, scores=voice.scores[rows])


def quorum_of(weights: Array, count: int | None, share: float | None, required: Sequence[int] = ()) -> Quorum:
    """The quorum over members of `weights` (m,). Default: a strict majority of both; `count` alone drops the weight."""
    total, members = float(weights.sum()), len(weights)
    majority = total // 2 + 1 if count is None else 0.0
    weight = majority if share is None else share * total * (1 - 1e-12)  # 0.6 of 5 is 3, whatever binary fractions say
    return Quorum(members // 2 + 1 if count is None else count, weight, frozenset(required))

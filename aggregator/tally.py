"""The state of one fan-out: who has said what. No clock, no I/O; times are arguments.

Members are counted from 0, in configured order, over those that were asked. A row's answer depends only on the set
of members that answered, for votes lie in the configured order whenever they came.
"""

from collections.abc import Sequence, Set
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from aggregator.pooling import LARGE, Pooling
from aggregator.rules import Rule
from models.errors import BreakerOpen
from models.types import ALL_ROWS, Array, Fate, Report, Status

Verdict = Literal["complete", "decided", "partial", "impossible"]


class Quorum(msgspec.Struct, frozen=True):
    """What an answer needs: at least `count` members, of at least `weight` together, and all that are `required`."""

    count: int
    weight: float
    required: frozenset[int] = frozenset()

    def met_by(self, members: Set[int], weights: Sequence[float]) -> bool:
        """Whether `members` suffice; `weights` are those of all."""
        return (
            len(members) >= self.count
            and self.required <= members
            and sum([weights[member] for member in members]) >= self.weight
        )


class Voice(msgspec.Struct, frozen=True, eq=False):
    """What became of one member, `elapsed` seconds after the start; `scores` (n, k) if it answered."""

    fate: Fate
    reason: str = ""
    elapsed: float | None = None
    scores: Array | None = None
    degraded: bool = False
    report: Report | None = None  # its own, where it is an ensemble


class Frozen(msgspec.Struct, frozen=True, eq=False):
    """One caller's answer as it leaves: combined (n, k), agreement and entropy (n,). Without a quorum: only voices.

    `voices` speak of all rows of the tally, of which `rows` are the caller's, and are shared by those who leave at the
    same moment. `late`: it left at the deadline, not waiting for those still out. `elapsed` seconds after the start.
    `by`: the member whose answer or failure settled it, if anyone's did. `pooling`: of many rows, what is still to be
    worked out: see `pooled`.
    """

    voices: tuple[Voice, ...]
    rows: slice
    late: bool = False
    status: Status | None = None
    combined: Array | None = None
    agreement: Array | None = None
    entropy: Array | None = None
    elapsed: float = 0.0
    by: int | None = None
    pooling: Pooling | None = None

    def pooled(self) -> "Frozen":
        """The same with what the votes make of the rows. May be called in a thread."""
        if self.pooling is None:
            return self
        pool, part = self.pooling.of(self.rows)
        return replace(
            self,
            combined=pool.combined[part],
            agreement=None if pool.agreement is None else pool.agreement[part],
            entropy=None if pool.entropy is None else pool.entropy[part],
            pooling=None,
        )


class Tally:
    """Record the votes of m members on n rows; say when a caller's answer is settled, and freeze it.

    `weights` (m,) are integers, as `aggregator.weights.integer_weights` makes them. Who has answered or is lost has had
    its say: what comes of it later changes nothing. Rules look at each row by itself, so what they say of all rows is
    worked out once and holds for each caller's. The votes of those `on_trial` count, but are not waited for.
    """

    def __init__(self, rule: Rule, weights: Array, *, rows: int, classes: int) -> None:
        members = len(weights)
        self._rule = rule
        self._weight: list[float] = weights.tolist()
        self._scores = np.zeros((members, rows, classes))
        self._votes = np.zeros((members, rows))
        self._voices: list[Voice | None] = [None] * members
        self._out = set(range(members))
        self.on_trial: frozenset[int] = frozenset()
        self._answered: set[int] = set()
        self._reach: dict[Quorum, bool] = {}  # whether each can still be met, until someone is lost
        self._pooling: Pooling | None = None  # until someone else is heard
        self._is_lent = False  # whether what has been said by now is being pooled
        self._settled: Array | None = None
        self._voices_at: tuple[float, bool, tuple[Voice, ...]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, k): what one member's scores look like."""
        return self._scores.shape[1:]

    @property
    def heard(self) -> bool:
        """Whether anyone has had its say."""
        return len(self._out) < len(self._voices)

    @property
    def out(self) -> frozenset[int]:
        """The members that are still out."""
        return frozenset(self._out)

    def record(
        self, member: int, scores: Array, elapsed: float, *, degraded: bool = False, report: Report | None = None
    ) -> None:
        """`member` answered with `scores` (n, k)."""
        if member in self._out:
            if self._is_lent:
                self._scores, self._votes, self._is_lent = self._scores.copy(), self._votes.copy(), False
            self._scores[member] = scores
            self._votes[member] = self._weight[member]
            self._answered.add(member)
            self._hear(member, Voice("ok", "", elapsed, self._scores[member], degraded, report))

    def lose(self, member: int, fate: Fate, reason: str, elapsed: float, report: Report | None = None) -> None:
        """`member` will not answer."""
        if member in self._out:
            self._reach.clear()
            self._hear(member, Voice(fate, reason, elapsed, report=report))

    def _hear(self, member: int, voice: Voice) -> None:
        self._voices[member] = voice
        self._out.discard(member)
        self._pooling = self._settled = self._voices_at = None

    def verdict(self, rows: slice, quorum: Quorum, *, early: bool) -> Verdict | None:
        """What a caller of `rows` can be told now; None while its answer may still change."""
        return self.verdict_on_all(quorum) or (self.decided(rows, quorum) if early else None)

    def verdict_on_all(self, quorum: Quorum) -> Verdict | None:
        """What every caller with `quorum` can be told now, whatever its rows."""
        if not self._within_reach(quorum):
            return "impossible"
        if not self._out:
            return "complete" if len(self._answered) == len(self._voices) else "partial"
        return "partial" if self._out <= self.on_trial and self._met(quorum) else None

    def _within_reach(self, quorum: Quorum) -> bool:
        known = self._reach.get(quorum)
        if known is None:
            known = self._reach[quorum] = quorum.met_by(self._answered | self._out, self._weight)
        return known

    def can_lose(self, members: Set[int], quorum: Quorum) -> bool:
        """Whether `quorum` would still be within reach if `members`, who are still out, were lost.

        Nobody counts on those who are on trial.
        """
        return quorum.met_by(self._answered | self._out - members - self.on_trial, self._weight)

    def decided(self, rows: slice, quorum: Quorum) -> Verdict | None:
        """`decided` if the quorum is met and no answer still out could change the label of any of `rows`."""
        return "decided" if self._met(quorum) and self._settled_rows(rows).all() else None

    def at_the_deadline(self, quorum: Quorum) -> Verdict:
        """What a caller must be told when it can wait no longer."""
        return "partial" if self._met(quorum) else "impossible"

    def _met(self, quorum: Quorum) -> bool:
        return quorum.met_by(self._answered, self._weight)

    def freeze(self, rows: slice, verdict: Verdict, *, elapsed: float, late: bool, by: int | None = None) -> Frozen:
        """The answer for `rows` from what has been said by now; nothing that comes later changes it."""
        voices = self._heard(elapsed, late)
        if verdict == "impossible":
            return Frozen(voices, rows, late, elapsed=elapsed, by=by)
        if self._pooling is None:
            self._pooling = Pooling(self._rule, self._scores, self._votes)
        if self._scores.nbytes >= LARGE:
            self._is_lent = True
            return Frozen(voices, rows, late, verdict, elapsed=elapsed, by=by, pooling=self._pooling)
        pool, part = self._pooling.of(rows)
        if pool.agreement is None or pool.entropy is None:
            return Frozen(voices, rows, late, verdict, pool.combined[part], elapsed=elapsed, by=by)
        return Frozen(
            voices, rows, late, verdict, pool.combined[part], pool.agreement[part], pool.entropy[part], elapsed, by
        )

    def _heard(self, elapsed: float, late: bool) -> tuple[Voice, ...]:
        """Everyone's voice: who is still out is late, or not needed any more, or was never counted on."""
        if self._voices_at is None or self._voices_at[:2] != (elapsed, late):
            out = Voice("late", "timeout", elapsed) if late else Voice("unneeded", "", elapsed)
            tried = out if late else Voice(BreakerOpen.fate, BreakerOpen.reason, elapsed)
            voices = [voice or (tried if member in self.on_trial else out) for member, voice in enumerate(self._voices)]
            self._voices_at = (elapsed, late, tuple(voices))
        return self._voices_at[2]

    def _settled_rows(self, rows: slice) -> Array:
        if self._settled is None:
            try:
                self._settled = self._settled_now(ALL_ROWS)
            except Exception:  # as in `Pooling`
                return self._settled_now(rows)
        return self._settled[rows]

    def _settled_now(self, rows: slice) -> Array:
        outstanding = np.full(self._votes.shape[1], sum(self._weight[member] for member in self._out))[rows]
        return self._rule.settled(self._scores[:, rows], self._votes[:, rows], outstanding)


def quorum_of(weights: Array, count: int | None, share: float | None, required: Sequence[int] = ()) -> Quorum:
    """The quorum over members of `weights` (m,). Default: a strict majority of both; `count` alone drops the weight."""
    total, members = float(weights.sum()), len(weights)
    majority = total // 2 + 1 if count is None else 0.0
    weight = majority if share is None else share * total * (1 - 1e-12)  # 0.6 of 5 is 3, whatever binary fractions say
    return Quorum(members // 2 + 1 if count is None else count, weight, frozenset(required))

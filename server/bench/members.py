"""What became of each member over many answers, and which of them the others waited for. Pure.

Of the members that an answer waited for (not those that it let go, or never asked) the slowest is the *last*; by how
much over the second slowest is what that answer would have saved without it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from server.bench import answers
from server.bench.latencies import Latencies

MOST_MEMBERS = 1000
NOT_WAITED_FOR = frozenset({"unneeded", "skipped"})


class MemberSummary(msgspec.Struct, frozen=True):
    """Latencies are those of its `ok` answers. `last`: how often it was the last; `last_by_ms`: by how much on average.

    `wait_share`: the share of all waiting for members that was for it alone.
    """

    fates: dict[str, int]
    p50_ms: float | None
    p99_ms: float | None
    last: int
    last_by_ms: float | None
    wait_share: float


@dataclass(slots=True)
class _Member:
    fates: Counter[tuple[str, str]] = field(default_factory=Counter)
    latency: Latencies = field(default_factory=Latencies)
    last: int = 0
    alone_ms: float = 0.0


class Members:
    """Of all answers so far."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._waited_ms = 0.0

    def record(self, said: Mapping[str, answers.Member]) -> None:
        """One answer's."""
        longest = second = 0.0
        last: _Member | None = None
        for name, one in said.items():
            member = self._members.get(name) or self._new(name)
            member.fates[one.fate, one.reason] += 1
            if (elapsed := one.elapsed_ms) is None:
                continue
            if one.fate == "ok":
                member.latency.record(elapsed / 1e3)
            if one.fate in NOT_WAITED_FOR:
                continue
            if last is None or elapsed > longest:
                longest, second, last = elapsed, longest, member
            elif elapsed > second:
                second = elapsed
        if last is not None:
            last.last += 1
            last.alone_ms += longest - second
            self._waited_ms += longest

    def summary(self) -> dict[str, MemberSummary]:
        """In the order in which they came."""
        return {name: self._summary(member) for name, member in self._members.items()}

    def _new(self, name: str) -> _Member:
        if len(self._members) >= MOST_MEMBERS:  # whoever makes up names gets no memory for them
            name = "..."
        return self._members.setdefault(name, _Member())

    def _summary(self, member: _Member) -> MemberSummary:
        levels = member.latency.levels()
        return MemberSummary(
            fates={f"{fate}: {reason}" if reason else fate: count for (fate, reason), count in member.fates.items()},
            p50_ms=levels.get("p50"),
            p99_ms=levels.get("p99"),
            last=member.last,
            last_by_ms=round(member.alone_ms / member.last, 3) if member.last else None,
            wait_share=round(member.alone_ms / self._waited_ms, 4) if self._waited_ms else 0.0,
        )

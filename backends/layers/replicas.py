"""Several places where the same model answers: one vote, however many there are."""

import random
import time
from collections.abc import Callable, Sequence

from backends.replica import Replica
from backends.tasks import Tasks
from models.deadline import Deadline
from models.errors import (
    Away,
    BackendError,
    BreakerOpen,
    ConnectFailed,
    Overloaded,
    RateLimited,
    SignatureMismatch,
    Unverified,
)
from models.types import InferRequest, InferResponse

PASSED_OVER = (RateLimited, Overloaded, ConnectFailed, BreakerOpen, SignatureMismatch, Unverified, Away)
"""What says that a call did not begin there, or could not count; the first that any says is the error of all."""


class Replicas:
    """Ask the less busy of two of `replicas` picked at random; one that cannot be asked is passed over for another.

    Busy is who has calls under way, or has failed a moment ago: else one that fails quickly would always seem idle. A
    replica whose breaker wants a probe gets a copy of the next call, whose answer nobody waits for: so a probe costs
    nobody an answer, nor time. Where calls cost something (`free` is false) it gets the call itself, and if it fails
    again, another one, unless a call may be made only once (`idempotent` is false). Any other call that began and
    failed is not begun anew elsewhere: that would be a retry, and counts as one.
    Mitzenmacher, "The Power of Two Choices" (2001).

    Raises:
        RateLimited, Overloaded, ConnectFailed, BreakerOpen, SignatureMismatch, Unverified, Away: all were passed over.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        *,
        idempotent: bool = True,
        free: bool = True,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not replicas:
            raise ValueError("expected at least one replica")
        self.replicas = tuple(replicas)
        self._idempotent = idempotent
        self._free = free
        self._chance = chance
        self._clock = clock
        self._probes = Tasks()

    async def __call__(
        self, request: InferRequest, deadline: Deadline, trail: list[Replica] | None = None
    ) -> InferResponse:
        """Ask one that is not on the `trail`, and leave those that were asked there."""
        trail = [] if trail is None else trail
        refusals: list[BackendError] = []
        while left := [one for one in self.replicas if one not in trail]:
            replica, is_probe = self._pick(left)
            trail.append(replica)
            if is_probe and self._may_copy(request) and self.has_another(trail):
                self._probes.start(_ask(replica, request, deadline))
                continue
            try:
                return await _ask(replica, request, deadline)
            except PASSED_OVER as error:
                refusals.append(error)
            except BackendError as error:
                if not (is_probe and self._idempotent and error.ill and len(left) > 1):
                    raise
                refusals.append(error)
        raise min(refusals, key=_rank)

    def has_another(self, trail: Sequence[Replica]) -> bool:
        """Whether one that is not on the `trail` can be asked like any other."""
        return any(one.there for one in self.replicas if one not in trail)

    def _may_copy(self, request: InferRequest) -> bool:
        return self._idempotent and self._free and request.stopwatch is None

    def _pick(self, left: Sequence[Replica]) -> tuple[Replica, bool]:
        """Whom to ask, and whether that is a probe."""
        there, now = [one for one in left if one.there], self._clock()
        if len(there) < len(left):
            for one in left:
                if one.state.phase == "ready" and one.circuit.is_due(now):
                    return one, True
        candidates = there or left
        if len(candidates) == 1:
            return candidates[0], False
        first = int(self._chance() * len(candidates))
        second = (first + 1 + int(self._chance() * (len(candidates) - 1))) % len(candidates)
        one, other = candidates[first], candidates[second]
        return (one if _load(one, now) <= _load(other, now) else other), False


async def _ask(replica: Replica, request: InferRequest, deadline: Deadline) -> InferResponse:
    replica.in_flight += 1
    try:
        return await replica.backend(request, deadline)
    finally:
        replica.in_flight -= 1


def _load(replica: Replica, now: float) -> int:
    return replica.in_flight + replica.circuit.failures(now)


def _rank(error: BackendError) -> int:
    """By how close it came to an answer."""
    ranks = (rank for rank, kind in enumerate(PASSED_OVER) if isinstance(error, kind))
    return next(ranks, -1)

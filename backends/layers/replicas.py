"""Several places where the same model answers: one vote, however many there are."""

import random
import time
from collections.abc import Callable, Sequence

from backends.replica import Replica
from models.deadline import Deadline
from models.errors import Away, BackendError, BreakerOpen, ConnectFailed, RateLimited, SignatureMismatch, Unverified
from models.types import InferRequest, InferResponse

PASSED_OVER = (RateLimited, ConnectFailed, BreakerOpen, SignatureMismatch, Unverified, Away)
"""What says that a call did not begin there, or could not count; the first that any says is the error of all."""


class Replicas:
    """Ask the less busy of two of `replicas` picked at random; one that cannot be asked is passed over for another.

    Busy is who has calls under way, or has just failed: else one that fails quickly would always seem idle. A replica
    whose breaker wants a probe gets the next call. A call that began and failed is not begun anew elsewhere: that would
    be a retry, and counts as one. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).

    Raises:
        RateLimited, ConnectFailed, BreakerOpen, SignatureMismatch, Unverified, Away: every replica was passed over.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        *,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not replicas:
            raise ValueError("expected at least one replica")
        self.replicas = tuple(replicas)
        self._chance = chance
        self._clock = clock

    async def __call__(
        self, request: InferRequest, deadline: Deadline, trail: list[Replica] | None = None
    ) -> InferResponse:
        """Ask one that is not on the `trail`, and leave those that were asked there."""
        trail = [] if trail is None else trail
        refusals: list[BackendError] = []
        while left := [one for one in self.replicas if one not in trail]:
            replica = self._pick(left)
            trail.append(replica)
            replica.in_flight += 1
            try:
                return await replica.backend(request, deadline)
            except PASSED_OVER as error:
                refusals.append(error)
            finally:
                replica.in_flight -= 1
        raise min(refusals, key=_rank)

    def has_another(self, trail: Sequence[Replica]) -> bool:
        """Whether one that is not on the `trail` can be asked like any other."""
        return any(one.there for one in self.replicas if one not in trail)

    def _pick(self, left: Sequence[Replica]) -> Replica:
        there = [one for one in left if one.there]
        if len(there) < len(left):
            now = self._clock()
            for one in left:
                if one.state.phase == "ready" and one.circuit.is_due(now):
                    return one
        candidates = there or left
        if len(candidates) == 1:
            return candidates[0]
        first = int(self._chance() * len(candidates))
        second = (first + 1 + int(self._chance() * (len(candidates) - 1))) % len(candidates)
        return min(candidates[first], candidates[second], key=_load)


def _load(replica: Replica) -> int:
    return replica.in_flight + replica.circuit.failures


def _rank(error: BackendError) -> int:
    return next(rank for rank, kind in enumerate(PASSED_OVER) if isinstance(error, kind))

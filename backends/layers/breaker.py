"""Leave an address alone that fails, and try it now and then."""

import time
from collections.abc import Callable

from backends.base import Backend
from backends.circuit import Circuit
from backends.served import State
from models.deadline import Deadline
from models.errors import BreakerOpen
from models.types import InferRequest, InferResponse

ASKED_ANEW = 0.05  # seconds after which whoever holds it is asked again whether it can do without


class Breaker:
    """Refuse calls while `circuit` is open, and let one through as a probe when that is due.

    What opens and closes it is what becomes of calls; `backends.layers.attempt` has that part. While it is not `spare`,
    since without it there would be no quorum, calls go through all the same. A process that was started anew, as
    `state` counts it, is not blamed for what the one before it did.

    Raises:
        BreakerOpen: at once.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        circuit: Circuit,
        state: State,
        spare: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self._circuit = circuit
        self._state = state
        self._restarts = state.restarts
        self._spare = spare
        self._is_spare = True
        self._asked_at = -1.0
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if self._restarts != self._state.restarts:
            self._restarts = self._state.restarts
            self._circuit.reset(self._clock())
        if self._circuit.closed or request.stopwatch is not None:
            return await self.inner(request, deadline)
        return await self._carefully(request, deadline, self._clock())

    async def _carefully(self, request: InferRequest, deadline: Deadline, now: float) -> InferResponse:
        circuit = self._circuit
        probe = circuit.begin_probe(now)
        if probe is not None:
            try:
                return await self.inner(request, deadline)
            finally:
                circuit.end_probe(probe)
        if self._needed(now):
            circuit.panics += 1
            return await self.inner(request, deadline)
        raise BreakerOpen(f"it failed; it is tried again in {circuit.wait(now):.3g} s")

    def _needed(self, now: float) -> bool:
        """Whether there would be no quorum without it."""
        if now >= self._asked_at + ASKED_ANEW:
            self._asked_at, self._is_spare = now, self._spare()
        return not self._is_spare

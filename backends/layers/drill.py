"""Play a fault of the backend, so that everyone around it can be seen to cope."""

import asyncio
import itertools
import random
from collections.abc import Callable, Mapping

import numpy as np

from backends.base import Backend
from backends.drill import Drill
from backends.served import State
from backends.statistics import Statistics
from models.answers import validated
from models.deadline import Deadline, deadline_after, remaining
from models.errors import DeadlineExceeded
from models.types import Array, InferRequest, InferResponse, Signature

Spoil = Callable[[Array], Array]


class Drilled:
    """Do to a call what `state` says is drilled; next to the address, so that all other layers see the fault.

    What is spoiled goes through the same check as the answers of the model of `signature`. A call takes `seconds` at
    most, if given. A look at one call (which has a stopwatch) is left alone: it is to show the backend as it is.

    Raises:
        BackendError: what the drill says.
        DeadlineExceeded: the deadline came while it kept the call.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        state: State,
        signature: Signature,
        statistics: Statistics,
        seconds: float | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.inner = inner
        self._state = state
        self._signature = signature
        self._statistics = statistics
        self._seconds = seconds
        self._chance = chance
        self._spoils = itertools.cycle(_spoils_of(signature))

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        drill = self._state.drill
        if drill is None or request.stopwatch is not None or self._chance() >= drill.share:
            return await self.inner(request, deadline)
        self._statistics.drilled += 1
        if self._seconds is not None:
            deadline = min(deadline, deadline_after(self._seconds))
        return await self._play(drill, request, deadline)

    async def _play(self, drill: Drill, request: InferRequest, deadline: Deadline) -> InferResponse:
        if drill.kind == "fail":
            raise drill.failure()
        left = remaining(deadline)
        if drill.kind == "stop" or (drill.kind == "slow" and drill.delay >= left):
            await asyncio.sleep(max(0.0, left))
            raise DeadlineExceeded("no answer by the deadline: a drill")
        if drill.kind == "slow":
            await asyncio.sleep(drill.delay)
            return await self.inner(request, deadline)
        return self._spoiled(await self.inner(request, deadline), request.rows)

    def _spoiled(self, response: InferResponse, rows: int) -> InferResponse:
        spoil = next(self._spoils)
        outputs = {name: spoil(array) for name, array in response.outputs.items()}
        return InferResponse(validated(outputs, self._signature, rows), response.id, response.report)


def _short(array: Array) -> Array:
    return array[:-1]


def _nan(array: Array) -> Array:
    return np.full_like(array, np.nan)


def _doubled(array: Array) -> Array:
    return array * 2


SPOILS: Mapping[str, tuple[Spoil, ...]] = {
    "classification": (_doubled, _nan, _short),
    "regression": (_nan, _short),
}


def _spoils_of(signature: Signature) -> tuple[Spoil, ...]:
    """The ways in which an answer can be nonsense, one after the other; of a transform only one is so in any case."""
    return SPOILS.get(signature.task, (_short,))

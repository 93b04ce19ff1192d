"""Backends that do as they are told, on the tests' own clock."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backends.base import Backend
from backends.served import Served
from models.deadline import Deadline
from models.types import (
    PREDICTIONS,
    PROBABILITIES,
    Array,
    InferRequest,
    InferResponse,
    Report,
    Signature,
    TensorSpec,
    classifier,
    regressor,
)

FEATURES = TensorSpec("features", "FP32", (-1, 2), ("a", "b"))
YES_NO = classifier((FEATURES,), ("no", "yes"))
NUMBER = regressor((FEATURES,))


def now() -> float:
    """What the clock reads."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Let everything run that can run now."""
    for _ in range(10):
        await asyncio.sleep(0)


def ones(rows: int = 1) -> InferRequest:
    """A request of `rows` rows."""
    return InferRequest({"features": np.ones((rows, 2), np.float32)}, "the-id")


class Fake:
    """Answers `said` after `delay` seconds, or raises it; counts what happens to it.

    `said`: (n, k) probabilities, a list of n numbers for a regression, outputs by name, or an error. `stubborn`: for
    so many seconds it resists being cancelled.
    """

    def __init__(
        self,
        said: Sequence[object] | Array | Mapping[str, Array] | BaseException,
        *,
        delay: float = 0.0,
        stubborn: float = 0.0,
        degraded: bool = False,
    ) -> None:
        self.said = said
        self.delay = delay
        self.stubborn = stubborn
        self.report = Report(degraded=degraded)
        self.calls: list[tuple[InferRequest, Deadline]] = []
        self.cancelled = 0

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        self.calls.append((request, deadline))
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.stubborn:
                await asyncio.sleep(self.stubborn)
            raise
        if isinstance(self.said, BaseException):
            raise self.said
        if isinstance(self.said, Mapping):
            return InferResponse(self.said, request.id, self.report)
        scores = np.array(self.said, np.float64)
        return InferResponse({PREDICTIONS if scores.ndim == 1 else PROBABILITIES: scores}, request.id, self.report)


def serve(name: str, backend: Backend, signature: Signature = YES_NO) -> Served:
    """`backend` under a name."""
    return Served(name, backend, signature, version="1", timeout=1.0)


def sure(label: int, rows: int = 1, classes: int = 2) -> Array:
    """(n, k) probabilities: certain of one label."""
    scores = np.zeros((rows, classes))
    scores[:, label] = 1
    return scores


class Script:
    """Says one thing after the other, the last one for ever: how long each call takes, and what comes of it.

    An error is raised anew each time, for what raises one may write to it.
    """

    def __init__(self, *said: tuple[float, Array | Callable[[], Exception]]) -> None:
        self.said = list(said)
        self.begun: list[float] = []
        self.cancelled = 0

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        delay, answer = self.said[min(len(self.begun), len(self.said) - 1)]
        self.begun.append(now())
        try:
            await asyncio.sleep(delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if callable(answer):
            raise answer()
        return InferResponse({PROBABILITIES: answer}, request.id)

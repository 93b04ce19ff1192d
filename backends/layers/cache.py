"""Answer again what was answered a moment ago."""

import time
from collections.abc import Callable

from backends.base import Backend
from backends.keep import Keep
from backends.question import Question
from backends.statistics import Statistics
from models.deadline import Deadline
from models.types import InferRequest, InferResponse, Report


class Cache:
    """Give what `keep` has for the same question, else ask and keep the answer, if it is a whole one.

    A degraded or decided answer could have been another, and an error may not come again: they are not kept. Nor is a
    look at one call (which has a stopwatch) answered from here.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        keep: Keep,
        question: Question,
        statistics: Statistics,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self._keep = keep
        self._question = question
        self._statistics = statistics
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if request.stopwatch is not None:
            return await self.inner(request, deadline)
        key = self._question.of(request)
        outputs = self._keep.get(key, self._clock())
        if outputs is not None:
            self._statistics.cache_hits += 1
            return InferResponse(outputs, request.id)
        self._statistics.cache_misses += 1
        response = await self.inner(request, deadline)
        if is_whole(response.report):
            self._keep.put(key, response.outputs, self._clock())
        return response


def is_whole(report: Report) -> bool:
    """Whether an answer says all there is to say, and nothing about who said it."""
    return report.status == "complete" and not report.degraded and not report.members

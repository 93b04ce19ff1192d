"""Count every call, and time those that are answered."""

import asyncio
import time
from collections.abc import Callable

from backends.base import Backend
from backends.statistics import Statistics
from models.deadline import Deadline
from models.errors import BackendError
from models.types import InferRequest, InferResponse


class Observe:
    """Write what becomes of each call into `statistics`. A cancelled call is neither a success nor a failure."""

    def __init__(
        self, inner: Backend, *, statistics: Statistics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.inner = inner
        self.statistics = statistics
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        statistics = self.statistics
        statistics.begin()
        began = self._clock()
        try:
            response = await self.inner(request, deadline)
        except asyncio.CancelledError:
            statistics.end("cancelled")
            raise
        except BackendError as error:
            statistics.end(f"{error.fate}: {error.reason}")
            statistics.last_errors.append(f"{error.reason}: {error}")
            raise
        except BaseException:
            statistics.end("bug")
            raise
        statistics.end("ok", self._clock() - began)
        return response

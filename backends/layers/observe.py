"""Count every call, and time those that are answered."""

import asyncio
import time
from collections.abc import Callable

from backends.base import Backend
from backends.latency import Latency
from backends.outcomes import Recorder
from backends.statistics import Statistics
from models.deadline import ROUNDING, Deadline, remaining
from models.errors import BackendError, DeadlineExceeded, InvalidRequest, Starved
from models.types import InferRequest, InferResponse


class Observe:
    """Write what becomes of each call into `statistics`, and of a composite's answers into `outcomes`.

    A cancelled call is neither a success nor a failure. `latency` knows whether a late one had less time than usual.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        statistics: Statistics,
        outcomes: Recorder | None = None,
        latency: Latency | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self.statistics = statistics
        self.outcomes = outcomes
        self._latency = latency
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        statistics = self.statistics
        statistics.begin(request.rows)
        began = self._clock()
        try:
            response = await self.inner(request, deadline)
        except asyncio.CancelledError:
            self._let_go(request.rows, deadline, self._clock() - began)
            raise
        except InvalidRequest:
            statistics.end("rejected")
            raise
        except BackendError as error:
            self._failed(error, self._clock() - began)
            raise
        except BaseException:
            statistics.end("bug")
            raise
        seconds = self._clock() - began
        statistics.end("ok", seconds)
        if self.outcomes is not None:
            self.outcomes.record(response.report, seconds, answered=True)
        return response

    def _let_go(self, rows: int, deadline: Deadline, seconds: float) -> None:
        """At its deadline it was late; before, nobody wanted its answer any more, which says nothing about it."""
        if remaining(deadline) > ROUNDING:
            self.statistics.end("cancelled")
        elif self._latency is not None and self._latency.starved(rows, seconds):
            self._failed(Starved("no answer by the deadline, which came sooner than usual"), seconds)
        else:
            self._failed(DeadlineExceeded("no answer by the deadline"), seconds)

    def _failed(self, error: BackendError, seconds: float) -> None:
        self.statistics.end(f"{error.fate}: {error.reason}")
        self.statistics.last_errors.append(f"{error.reason}: {error}")
        if self.outcomes is not None and error.report is not None:
            self.outcomes.record(error.report, seconds, answered=False)

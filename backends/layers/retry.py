"""A second try, where it can help and does no harm."""

import asyncio
import random
import time
from collections.abc import Callable

from backends.base import Backend
from backends.budget import RetryBudget
from backends.latency import Latency
from backends.statistics import Statistics
from models.deadline import Deadline, remaining
from models.errors import BackendError, ConnectFailed, ConnectionLost, RemoteOverloaded, ServerFault
from models.types import InferRequest, InferResponse

COSTLY = (ConnectFailed, ConnectionLost, ServerFault, RemoteOverloaded)
"""What costs a second try, whether it is made or not: the outage is what the budget is for."""

LONGEST_BACKOFF = 0.01  # seconds; uniform from 0 ("full jitter"). There is only one retry, so it does not grow


class Retry:
    """Ask once more after an error that is `retryable`, never after a timeout.

    Only if someone needs the answer (an ensemble whose quorum is still within reach does not: a missing vote is cheaper
    than a storm), if the backend may be asked like any other (`is_askable`), if there is time left for it to answer,
    and if `budget` has a second try to spend.

    Raises:
        BackendError: what the second try failed of; of the first, if the second was never made.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        budget: RetryBudget,
        latency: Latency,
        statistics: Statistics,
        is_askable: Callable[[], bool] = lambda: True,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self._budget = budget
        self._latency = latency
        self._statistics = statistics
        self._is_askable = is_askable
        self._chance = chance
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        try:
            response = await self.inner(request, deadline)
        except BackendError as error:
            backoff = self._backoff(error, request, deadline)
            if backoff is None:
                raise
            return await self._again(error, backoff, request, deadline)
        self._budget.earn()
        return response

    def _backoff(self, error: BackendError, request: InferRequest, deadline: Deadline) -> float | None:
        """The seconds until the second try; None if there should be none."""
        now = self._clock()
        paid = isinstance(error, COSTLY) and self._budget.pay(now)
        if not (paid and error.retryable and self._budget.is_open(now) and self._is_askable()):
            return None
        if request.needed is not None and not request.needed():
            return None
        asked = error.retry_after if isinstance(error, RemoteOverloaded) else None
        backoff = (asked or 0.0) + LONGEST_BACKOFF * self._chance()
        return backoff if remaining(deadline) >= backoff + self._latency.typical(request.rows) else None

    async def _again(
        self, first: BackendError, backoff: float, request: InferRequest, deadline: Deadline
    ) -> InferResponse:
        self._budget.under_way += 1
        try:
            await asyncio.sleep(backoff)
            self._statistics.retries += 1
            response = await self.inner(request, deadline)
        except BackendError as error:
            if error.fate == "skipped":
                raise first from error
            raise
        finally:
            self._budget.under_way -= 1
        self._budget.earn()
        return response

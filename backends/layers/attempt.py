"""One try at one address: timed, counted, and judged for what it says about the health of the address."""

import asyncio
import logging
import time
from collections.abc import Callable

from backends.base import Backend
from backends.circuit import Circuit
from backends.latency import Latency
from backends.statistics import Statistics
from models.deadline import ROUNDING, Deadline, remaining
from models.errors import BackendError, DeadlineExceeded, InputRejected, InvalidAnswer, LateInQueue, Starved
from models.types import InferRequest, InferResponse

log = logging.getLogger(__name__)


class Attempt:
    """Tell `latency` how long a try took, and `circuit` whether it speaks for the address or against it.

    Against it speaks an error that is `ill`, and that it gave no answer by the deadline although it had as much time as
    it usually takes. That a caller was in more of a hurry than that, was refused for its input or has gone, says
    nothing; nor that others before it were answered meanwhile, and none after it: then it waited for its turn with one
    who has too much to do. Nor does a look at one call (which has a stopwatch). `spare`: whether whoever holds the
    address can do without it.

    Raises:
        Starved: in place of another `DeadlineExceeded`.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        latency: Latency,
        statistics: Statistics,
        circuit: Circuit | None = None,
        spare: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.inner = inner
        self._latency = latency
        self._statistics = statistics
        self._circuit = circuit
        self._spare = spare
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if request.stopwatch is not None:
            return await self.inner(request, deadline)
        self._statistics.tries += 1
        rows, began = request.rows, self._clock()
        try:
            response = await self.inner(request, deadline)
        except asyncio.CancelledError:
            self._given_up(rows, began, late=remaining(deadline) <= ROUNDING)
            raise
        except LateInQueue:
            self._given_up(rows, began, late=False)
            raise
        except DeadlineExceeded as error:
            if self._given_up(rows, began, late=True):
                raise Starved("it had less time than it usually takes") from error
            raise
        except InputRejected:
            self._latency.add(rows, self._clock() - began)
            raise
        except BackendError as error:
            self._failed(error, rows, began)
            raise
        now = self._clock()
        self._latency.add(rows, now - began)
        if self._circuit is not None and self._circuit.succeed(began, now):
            log.warning("the breaker of %s closes: it has answered", self._circuit.name)
        return response

    def _given_up(self, rows: int, began: float, *, late: bool) -> bool:
        """Nobody waits any longer, be it too `late` or for reasons of their own; whether it was starved."""
        now = self._clock()
        starved = late and self._latency.starved(rows, now - began)
        in_line = self._circuit is not None and self._circuit.is_in_line(began)
        if late and not in_line and self._latency.fair(rows, now - began):
            self._blame("no answer by the deadline", began, now)
        self._latency.give_up(now - began)
        return starved

    def _failed(self, error: BackendError, rows: int, began: float) -> None:
        now = self._clock()
        if isinstance(error, InvalidAnswer):
            self._latency.add(rows, now - began)
        if error.ill:
            self._blame(f"{error.reason}: {error}", began, now)

    def _blame(self, why: str, began: float, now: float) -> None:
        circuit = self._circuit
        if circuit is not None and circuit.fail(began, now, spare=self._spare):
            log.warning("the breaker of %s opens; the last failure: %s", circuit.name, why)

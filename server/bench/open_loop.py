"""The open loop: requests leave when they are meant to, whatever becomes of the answers.

Users do not wait for each other. A generator that waits for an answer before it sends the next request hides the very
stalls that it should find (*coordinated omission*); so latency counts from the intended time, and a request that leaves
late, or never, counts.
"""

import asyncio
import itertools
from collections.abc import Iterable
from time import perf_counter

from server.bench.alarm import alarm
from server.bench.connections import Connections
from server.bench.load import Load, running
from server.bench.measured import Measured

AT_ONCE = 64  # departures, before answers are read again


async def open_loop(load: Load, arrivals: Iterable[float], measured: Measured | None = None) -> Measured:
    """Send `load` at the moments of `arrivals`, in seconds from now, and wait for all answers.

    `measured` fills while this runs, and is whole even if this is cancelled.

    Raises:
        OSError: the target has no address.
    """
    measured = measured or Measured(load.read)
    async with running(load, measured) as connections:
        departures = _Departures(load, arrivals, measured, connections)
        try:
            await departures.over
        finally:
            departures.close()
    return measured


class _Departures:
    """Sends what is due, each time that its alarm rings."""

    def __init__(self, load: Load, arrivals: Iterable[float], measured: Measured, connections: Connections) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moments, self._requests = iter(arrivals), itertools.cycle(load.requests)
        self._measured, self._connections = measured, connections
        self._next: float | None = self._following()
        self._alarm = alarm(self._ring)
        self._wait()

    def close(self) -> None:
        self._alarm.close()

    def _ring(self) -> None:
        try:
            self._depart()
            self._wait()
        except Exception as error:  # a bug, of which whoever waits must hear
            self.over.set_exception(error)

    def _depart(self) -> None:
        for _ in range(AT_ONCE):
            if self._next is None or self._next > (now := perf_counter()):
                return
            self._measured.departed(now)
            self._measured.lag.record(now - self._next)
            self._connections.ask(self._next, next(self._requests))
            self._next = self._following()

    def _wait(self) -> None:
        if self._next is not None:
            self._alarm.set(self._next)
        elif not self.over.done():
            self.over.set_result(None)

    def _following(self) -> float | None:
        moment = next(self._moments, None)
        return None if moment is None else self._measured.began + moment

"""As many connections as requests need at once, up to a bound; what finds none waits in line; nothing is dropped."""

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

from server.bench.connection import Connection
from server.bench.errors import Kind, kind_of
from server.bench.target import Target

MOST_WAITING = 100_000
SWEEPS, LONGEST_SWEEP_S = 20, 0.25  # looks for requests to give up: so many in one patience


class Results(Protocol):
    """Who is told what became of each request; all moments are those of `time.perf_counter`."""

    def answered(self, intended: float, now: float, status: int, body: bytes) -> None: ...

    def failed(self, intended: float, now: float, kind: Kind) -> None: ...


class Connections:
    """At most `most` to `target`. A request without an answer `patience` seconds after its intended time is given up.

    Every request that is asked ends in one call of `results`, at the latest when this is left.

    Raises:
        OSError: on entering; the target has no address.
    """

    def __init__(self, target: Target, results: Results, *, most: int, patience: float) -> None:
        if not (most > 0 and patience > 0):
            raise ValueError(f"most and patience must be positive, got {most} and {patience}")
        self._target, self._results, self._most, self._patience = target, results, most, patience
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._busy: dict[Connection, None] = {}  # in the order of sending
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._opening, self._openers = 0, set[asyncio.Task[None]]()
        self._drained = asyncio.Event()

    @property
    def under_way(self) -> int:
        """Requests that were asked and have not ended."""
        return len(self._busy) + len(self._waiting)

    def ask(self, intended: float, request: bytes) -> None:
        """Send `request` now, or as soon as a connection is free."""
        if self._idle:
            self._send(self._idle.pop(), intended, request)
        elif len(self._waiting) >= MOST_WAITING:
            self._results.failed(intended, perf_counter(), "not sent")
        else:
            self._waiting.append((intended, request))
            self._open_more()

    async def drained(self) -> None:
        """Wait until nothing is under way; what gets no answer is given up in time."""
        while self.under_way:
            self._drained.clear()
            await self._drained.wait()

    async def __aenter__(self) -> "Connections":
        self._address = await self._target.resolved()
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._most = 0  # none is opened any more
        for task in (self._sweeper, *self._openers):
            task.cancel()
        await asyncio.gather(self._sweeper, *self._openers, return_exceptions=True)
        now, unfinished = perf_counter(), [connection.intended for connection in self._busy]
        unfinished += [intended for intended, _ in self._waiting]
        self._busy.clear()
        self._waiting.clear()
        for intended in unfinished:
            self._results.failed(intended, now, "interrupted")
        for connection in self._all:
            connection.abort("closed")
        while self._all:  # noqa: ASYNC110 - an aborted connection is lost in one of the loop's next turns
            await asyncio.sleep(0)

    def opened(self, connection: Connection) -> None:
        self._opening -= 1
        self._all.add(connection)
        self._release(connection)

    def answered(self, connection: Connection, status: int, body: bytes) -> None:
        now, intended = perf_counter(), connection.intended
        if connection not in self._busy:  # it was given up
            return
        del self._busy[connection]
        if connection.alive:
            self._release(connection)
        self._results.answered(intended, now, status, body)
        self._look_if_drained()

    def broke(self, connection: Connection, kind: Kind) -> None:
        self._all.discard(connection)
        if connection in self._busy:
            del self._busy[connection]
            self._results.failed(connection.intended, perf_counter(), kind)
        elif connection in self._idle:
            self._idle.remove(connection)
        self._open_more()
        self._look_if_drained()

    def _send(self, connection: Connection, intended: float, request: bytes) -> None:
        self._busy[connection] = None
        connection.send(intended, request)

    def _release(self, connection: Connection) -> None:
        if self._waiting:
            self._send(connection, *self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _open_more(self) -> None:
        while len(self._waiting) > self._opening and len(self._all) + self._opening < self._most:
            self._opening += 1
            task = asyncio.create_task(self._open())
            self._openers.add(task)
            task.add_done_callback(self._openers.discard)

    async def _open(self) -> None:
        there, loop, connection = self._address, asyncio.get_running_loop(), Connection(self)
        try:
            async with asyncio.timeout(self._patience):
                await loop.create_connection(
                    lambda: connection, there.host, there.port, ssl=there.tls, server_hostname=there.name
                )
        except OSError as error:  # a TimeoutError is one, and what TLS says
            self._not_opened(connection, kind_of(error))
        except asyncio.CancelledError:
            self._not_opened(connection, "interrupted")
            raise

    def _not_opened(self, connection: Connection, kind: Kind) -> None:
        """Uvloop tells no connection that its opener was cancelled just after it was open."""
        if connection in self._all:
            self.broke(connection, kind)
            return
        self._opening -= 1
        if self._waiting:  # which one it was opened for cannot be told: the one that has waited longest
            self._results.failed(self._waiting.popleft()[0], perf_counter(), kind)
        self._open_more()
        self._look_if_drained()

    async def _sweep(self) -> None:
        """Give up what has waited too long."""
        while True:
            await asyncio.sleep(min(self._patience / SWEEPS, LONGEST_SWEEP_S))
            now = perf_counter()
            over = now - self._patience
            while self._waiting and self._waiting[0][0] <= over:
                self._results.failed(self._waiting.popleft()[0], now, "not sent")
            while self._busy and (first := next(iter(self._busy))).intended <= over:
                del self._busy[first]
                self._results.failed(first.intended, now, "timeout")
                first.abort("timeout")
            self._look_if_drained()

    def _look_if_drained(self) -> None:
        if not self._busy and not self._waiting:
            self._drained.set()

"""The closed loop: so many users, each of whom asks again as soon as it has its answer.

It finds what a server can do at most, and nothing about waiting: a slow server is asked less.
"""

import asyncio
import itertools
from time import perf_counter

from server.bench.connections import Connections
from server.bench.errors import Kind
from server.bench.load import Load, running
from server.bench.measured import Measured

PAUSE_S = 0.05  # after a failure: a server that is down is not asked a hundred thousand times a second


async def closed_loop(load: Load, seconds: float, measured: Measured | None = None) -> Measured:
    """Ask on all of the load's connections, again and again, for `seconds`, and wait for the last answers.

    `measured` fills while this runs, and is whole even if this is cancelled.

    Raises:
        OSError: the target has no address.
    """
    measured = measured or Measured(load.read)
    users = _Users(load, measured)
    async with running(load, measured, users) as connections:
        users.start(connections)
        try:
            await asyncio.sleep(seconds)
        finally:
            users.stopped = True
    return measured


class _Users:
    """Passes on what becomes of requests, and asks the next ones."""

    def __init__(self, load: Load, measured: Measured) -> None:
        self.stopped = False
        self._measured, self._count = measured, load.connections
        self._requests = itertools.cycle(load.requests)

    def start(self, connections: Connections) -> None:
        self._connections, self._loop = connections, asyncio.get_running_loop()
        for _ in range(self._count):
            self._ask()

    def answered(self, intended: float, now: float, status: int, body: bytes) -> None:
        self._measured.answered(intended, now, status, body)
        self._ask()

    def failed(self, intended: float, now: float, kind: Kind) -> None:
        self._measured.failed(intended, now, kind)
        if kind != "interrupted":
            self._loop.call_later(PAUSE_S, self._ask)

    def _ask(self) -> None:
        if not self.stopped:
            now = perf_counter()
            self._measured.departed(now)
            self._connections.ask(now, next(self._requests))

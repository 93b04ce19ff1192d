"""Connections whose other end is too slow: with a request's head, or with taking an answer.

aiohttp waits for both as long as the other end likes. (A head that does not come ends with `keepalive_timeout`, which
is for those who have asked before and may ask again.) The body has a time of its own, for who sends it slowly is told.
"""

import asyncio
import heapq
import select
from collections import Counter

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

LOOK_SECONDS = 0.5
MOMENT_SECONDS = 0.5


class Connection(RequestHandler):
    """One that knows since when it waits for the rest of a head, and since when for the other end to take an answer.

    Both on the loop's clock; None: it does not.
    """

    __slots__ = ("head_since", "stuck_at", "stuck_since")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.head_since: float | None = self._loop.time()
        self.stuck_since: float | None = None
        self.stuck_at = 0
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self.head_since = None
        elif self.head_since is None and self._waiter is not None and not self._waiter.done():
            self.head_since = self._loop.time()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Called for each body that was read: only what was paused need be resumed."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def fault(self, now: float, header_timeout: float, write_timeout: float) -> str:
        """What it takes too long for, if anything: `header`, `write`."""
        self._look(now)
        if self.head_since is not None and now - self.head_since > header_timeout:
            return "header"
        return "write" if self.stuck_since is not None and now - self.stuck_since > write_timeout else ""

    def _look(self, now: float) -> None:
        """See whether an answer is stuck; that of another request is another answer."""
        transport = self.transport
        if transport is None or not transport.get_write_buffer_size():
            self.stuck_since = None
        elif self.stuck_since is None or self.stuck_at != self._request_count:
            self.stuck_since, self.stuck_at = now, self._request_count

    def abort(self) -> None:
        """Hang up; what could not be written is lost."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def waits_since(self) -> float:
        """Since when it has waited for a request, if it does."""
        if self.head_since is not None:
            return self.head_since
        return self._next_keepalive_close_time - self._keepalive_timeout


class Server(web.Server):
    """aiohttp's, with such connections."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def make_room(self) -> int:
        """Hang up on some of those that have waited longest for a request; how many.

        None of them has waited for less than a moment: whoever has just come has something to ask.
        """
        connections = [one for one in self.connections if isinstance(one, Connection) and is_idle(one)]
        latest = self._loop.time() - MOMENT_SECONDS
        waiting = [one for one in connections if one.waits_since <= latest]
        longest = heapq.nsmallest(max(1, len(waiting) // 10), waiting, key=lambda one: one.waits_since)
        for one in longest:
            one.abort()
        return len(longest)


def is_idle(handler: RequestHandler) -> bool:
    """Whether it waits for a request of which nothing has come.

    aiohttp's own `close` drops what arrives of the body of a request under way, so we have to know.
    """
    waiter, transport = handler._waiter, handler.transport
    if waiter is None or waiter.done() or transport is None:
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return not poll.poll(0)


HUNG_UP: web.AppKey[Counter[str]] = web.AppKey("hung_up", Counter)
"""How many connections were closed, by what their other end took too long with, or `idle` where others waited."""


class Sweeper:
    """Hangs up on the connections of `server` that take too long, counted in `hung_up`, until it is closed itself."""

    def __init__(
        self, server: web.Server, hung_up: Counter[str], *, header_timeout: float, write_timeout: float
    ) -> None:
        self._server = server
        self._header_timeout = header_timeout
        self._write_timeout = write_timeout
        self._loop = asyncio.get_running_loop()
        self._hung_up = hung_up
        self._sweep()

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._sweep)
        now = self._loop.time()
        for connection in self._server.connections:
            assert isinstance(connection, Connection)  # noqa: S101 - which `Server` has made
            if fault := connection.fault(now, self._header_timeout, self._write_timeout):
                self._hung_up[fault] += 1
                connection.abort()

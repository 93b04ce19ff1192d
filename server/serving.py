"""An application on a listening socket: taking connections and letting go of them are two steps."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from backends.aside import Aside
from server.accepting import Accepting
from server.admission import ADMISSION
from server.aside import ASIDE
from server.board import Board
from server.lag import Ticking
from server.limits import LIMITS
from server.memory import MEMORY, resident
from server.routing import Route, server_of
from server.slowness import HUNG_UP, Server, Sweeper
from server.threads import thread_for

CANCEL_SECONDS = 0.1  # for what is still under way in the end
MANY = 1 << 20


class serving:  # noqa: N801 - reads as a phrase
    """Serve the `routes` of `app` on `listening`, at most `most` connections at once.

    In the end what is under way is cancelled; `server.draining` is what comes before.
    """

    accepting: Accepting

    def __init__(
        self,
        app: web.Application,
        routes: Sequence[Route],
        listening: socket.socket,
        *,
        most: int = MANY,
        board: Board | None = None,
    ) -> None:
        # malformed HTTP is its caller's error, not ours; what handlers raise is caught and logged in the middleware
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        self._server: Server | None = None
        self._app = app
        self._routes = routes
        self._listening = listening
        self.most = most
        self._board = board
        self._leaving = asyncio.Event()
        self._opened = ExitStack()

    def announce_leave(self) -> None:
        """Have every answer from now on say that its connection is closed behind it."""
        self._leaving.set()

    @property
    def handlers(self) -> list[RequestHandler]:
        """aiohttp's side of each open connection."""
        return [] if self._server is None else self._server.connections

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self.handlers)

    async def __aenter__(self) -> "serving":
        self._app[ASIDE] = Aside(self._opened.enter_context(thread_for("large bodies")))
        self._server = server_of(
            self._app,
            self._routes,
            leaving=self._leaving,
            max_body_bytes=self._app[LIMITS].max_body_bytes,
            access_log=None,  # `server.middleware` writes our own, with the request id
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=75,
        )
        self._runner = web.ServerRunner(self._server, shutdown_timeout=CANCEL_SECONDS)
        await self._runner.setup()
        memory, limits = self._app[MEMORY], self._app[LIMITS]
        self.accepting = Accepting(
            self._listening,
            self._server,
            connections=lambda: self.connections,
            most=self.most,
            make_room=self._make_room,
            is_full=lambda: memory.is_full,
            board=self._board,
        )
        self.accepting.start()
        timeouts = {"header_timeout": limits.header_timeout, "write_timeout": limits.write_timeout}
        self._opened.callback(Sweeper(self._server, self._app[HUNG_UP], **timeouts).close)
        self._opened.callback(Ticking(self._app[ADMISSION].lag, self._tick).close)
        return self

    def _make_room(self) -> None:
        """More connections wait than there may be."""
        if self._server is not None:
            self._app[HUNG_UP]["idle"] += self._server.make_room()

    def _tick(self) -> None:
        """What is looked at now and then, and not for each request."""
        memory = self._app[MEMORY]
        if memory.most:
            memory.used = resident()
        self._app[ADMISSION].tick()

    async def __aexit__(self, *error: object) -> None:
        await self.accepting.stop()
        self._listening.close()
        await self._runner.cleanup()
        self._opened.close()

"""One connection to a server: HTTP/1.1, one request at a time, kept alive."""

import asyncio
from typing import Protocol

import httptools

from server.bench.errors import Kind, kind_of

MOST_ANSWER_BYTES = 1 << 28


class Owner(Protocol):
    """Who is told what became of a connection's requests."""

    def opened(self, connection: "Connection") -> None: ...

    def answered(self, connection: "Connection", status: int, body: bytes) -> None:
        """A whole answer; the connection can take the next request if it is still `alive`."""

    def broke(self, connection: "Connection", kind: Kind) -> None:
        """It has ended, with or without a request under way; told once, and last."""


class Connection(asyncio.Protocol):
    """Sends bytes that are a whole request, and reads the answer. `intended` is when that was meant to leave.

    It never sends a request twice: what a server loses is lost.
    """

    __slots__ = ("_broken", "_feed", "_owner", "_parser", "_parts", "_size", "_transport", "alive", "busy", "intended")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._transport: asyncio.Transport
        self._parts: list[bytes] = []
        self._size = 0
        self._broken: Kind | None = None
        self.alive = self.busy = False
        self.intended = 0.0

    def send(self, intended: float, request: bytes) -> None:
        """Send `request`; only while it is `alive` and not `busy`."""
        self.busy, self.intended = True, intended
        self._transport.write(request)

    def abort(self, kind: Kind) -> None:
        """Hang up, because of `kind`; only once it is open."""
        if self._broken is None:
            self._broken = kind
        self.alive = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a stream; uvloop's is no subclass
        self.alive = True
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError:  # a bug of ours
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.abort("malformed")

    def connection_lost(self, error: Exception | None) -> None:
        self.alive = False
        kind = self._broken or ("closed" if error is None else kind_of(error))
        self._owner.broke(self, kind)

    def on_body(self, body: bytes) -> None:
        """Part of an answer, as a rule all of it."""
        self._parts.append(body)
        self._size += len(body)
        if self._size > MOST_ANSWER_BYTES:
            self.abort("malformed")

    def on_message_complete(self) -> None:
        """The end of an answer."""
        status = self._parser.get_status_code()
        if status < 200 and not self._broken:  # an interim answer, such as 100
            return
        if not self.busy or self._broken:  # nobody has asked, or nobody waits any more
            self.abort("malformed")
            return
        body, self._size = b"".join(self._parts), 0
        self._parts.clear()
        self.busy = False
        if not self._parser.should_keep_alive():
            self.alive = False
            self._transport.close()
        self._owner.answered(self, status, body)

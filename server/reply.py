"""An answer whose head and body are written at once.

aiohttp makes up each answer's head anew, header by header, for all that an answer might be. Those to inference requests
are mostly of one kind: short, whole, on a connection that stays open and has nothing left to send.
"""

import io
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from email.utils import formatdate
from typing import Protocol

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE

SHORT = 1 << 14  # bytes of a body; with longer ones the rest of the work counts for more
LONG = 1 << 18  # bytes of a body that is written piece by piece: the loop would not turn while the system copies it
JSON = "application/json"
BINARY = "application/octet-stream"


class Answer(Protocol):
    """What a handler returns: one of aiohttp's responses, or a `Reply`."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...

    def force_close(self) -> None:
        """Close the connection behind it."""


Handler = Callable[[web.Request], Awaitable[Answer]]


class Reply:
    """A whole answer, 200. Where it is not of the usual kind aiohttp writes it, as any other."""

    status = 200

    def __init__(self, body: bytes, headers: Mapping[str, str], content_type: str = JSON) -> None:
        self.headers: MutableMapping[str, str] = {hdrs.CONTENT_TYPE: content_type, **headers}
        self._body = body
        self._closes = False
        self._response: web.Response | None = None

    def force_close(self) -> None:
        self._closes = True

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open behind it."""
        return True if self._response is None else self._response.keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = request.transport
        if transport is None or not self._is_usual(request):
            return await self._as_any_other(request)
        if transport.is_closing() or transport.get_write_buffer_size():  # who is slow to read is waited for
            return await self._as_any_other(request)
        transport.write(self._head() + self._body)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        if self._response is not None:
            await self._response.write_eof(data)

    async def _as_any_other(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        body = self._body if len(self._body) < LONG else io.BytesIO(self._body)
        self._response = web.Response(body=body, headers=self.headers)
        if self._closes:
            self._response.force_close()
        return await self._response.prepare(request)

    def _is_usual(self, request: web.BaseRequest) -> bool:
        stays_open = request.version == HttpVersion11 and request.keep_alive and not self._closes
        return stays_open and len(self._body) <= SHORT and request.method != hdrs.METH_HEAD

    def _head(self) -> bytes:
        """The status line and the headers, whose values are our own words or checked: none holds the end of a line."""
        said = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        return f"HTTP/1.1 200 OK\r\n{said}Content-Length: {len(self._body)}\r\n{_TAIL()}".encode()


class _Tail:
    """The headers Date and Server and the empty line, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._said = ""

    def __call__(self) -> str:
        second = int(time.time())
        if second != self._second:
            date = formatdate(second, usegmt=True)
            self._second, self._said = second, f"Date: {date}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n"
        return self._said


_TAIL = _Tail()

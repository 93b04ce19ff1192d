"""An answer whose head and body are written at once.

aiohttp makes up each answer's head anew, header by header, for all that an answer might be. Those to inference requests
are mostly of one kind: short, whole, on a connection that stays open and has nothing left to send.
"""

import time
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import SERVER_SOFTWARE

SHORT = 1 << 14  # bytes of a body; with longer ones the rest of the work counts for more


class Reply(web.Response):
    """A response with a body of bytes. Where it is not of the usual kind it is written as aiohttp writes any other."""

    _written = False

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open behind it; None if that is the request's to say."""
        return True if self._written else super().keep_alive

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport, body = request.transport, self.body
        if transport is None or not isinstance(body, bytes) or not self._is_usual(request, len(body)):
            return await super().prepare(request)
        if transport.is_closing() or transport.get_write_buffer_size():  # who is slow to read is waited for
            return await super().prepare(request)
        transport.write(self._head(len(body)) + body)
        self._written = True
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        if not self._written:
            await super().write_eof(data)

    def _is_usual(self, request: web.BaseRequest, length: int) -> bool:
        stays_open = request.version == HttpVersion11 and request.keep_alive and self.keep_alive is not False
        return stays_open and length <= SHORT and self.status == HTTPStatus.OK and request.method != hdrs.METH_HEAD

    def _head(self, length: int) -> bytes:
        """The status line and the headers, whose values are our own words or checked: none holds the end of a line."""
        said = "".join([f"{name}: {value}\r\n" for name, value in self.headers.items()])
        return f"{_OK}{said}{hdrs.CONTENT_LENGTH}: {length}\r\n{hdrs.DATE}: {_DATE()}\r\n{_TAIL}".encode()


class _Clock:
    """The header Date, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._said = ""

    def __call__(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._said = second, formatdate(second, usegmt=True)
        return self._said


_OK = "HTTP/1.1 200 OK\r\n"
_TAIL = f"{hdrs.SERVER}: {SERVER_SOFTWARE}\r\n\r\n"
_DATE = _Clock()

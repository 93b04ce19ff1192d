"""Reads the bodies of requests: uncompressed, not too large, not too slow, and not too many at once."""

import asyncio

from aiohttp import HttpVersion11, hdrs, web

from models.errors import Overloaded
from server.aside import ASIDE
from server.exchange import EXCHANGE
from server.limits import LIMITS
from server.memory import MEMORY, Memory

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def body_of(request: web.Request) -> bytes:
    """The body. What it takes is held until the request has ended.

    Raises:
        web.HTTPException: 413 before anything is read if the length is announced; 415; 408.
        Overloaded: there is no room for it.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise web.HTTPUnsupportedMediaType
    limits, announced = request.app[LIMITS], request.content_length
    if announced is not None and announced > limits.max_body_bytes:
        raise web.HTTPRequestEntityTooLarge(limits.max_body_bytes, announced)
    memory = request.app[MEMORY]
    if not memory.has_room(announced):
        raise Overloaded("overloaded: the memory for requests is nearly used up")
    if request.content.is_eof():  # as nearly always: it came with the headers
        body = request.content.read_nowait()
        _hold(memory, request, len(body))
        if len(body) > limits.max_body_bytes:
            raise web.HTTPRequestEntityTooLarge(limits.max_body_bytes, len(body))
        return body
    return await _read(request, memory, limits.body_timeout)


async def _read(request: web.Request, memory: Memory, patience: float) -> bytes:
    """A body of which some is still to come."""
    if hdrs.EXPECT in request.headers and request.version >= HttpVersion11 and request.transport is not None:
        request.transport.write(CONTINUE)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            while chunk := await request.content.readany():
                chunks.append(chunk)
                size += len(chunk)
                _hold(memory, request, len(chunk))
                if size > request.app[LIMITS].max_body_bytes:
                    raise web.HTTPRequestEntityTooLarge(request.app[LIMITS].max_body_bytes, size)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    return await request.app[ASIDE](size, b"".join, chunks)


def _hold(memory: Memory, request: web.Request, size: int) -> None:
    request[EXCHANGE].held += size
    if not memory.hold(size):
        raise Overloaded("overloaded: the memory for requests is used up")

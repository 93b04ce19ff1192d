"""Callers as nobody wants them: very many, very slow, or with very much to say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from tests.chaos.site import Site

MIB = 1 << 20
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
PAUSE_S = 0.5
Caller = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(site: Site, count: int) -> list[Caller]:
    """So many connections, on which nothing is asked."""
    host, port = site.target.host, site.target.port
    return list(await asyncio.gather(*(asyncio.open_connection(host, port) for _ in range(count))))


def hung_up(callers: Iterable[Caller]) -> None:
    """Close them all."""
    for _, writer in callers:
        writer.transport.abort()


@asynccontextmanager
async def slow(site: Site, count: int) -> AsyncIterator[None]:
    """Half of them never end a head, half never a body: a byte a second. Whoever is hung up on comes back."""
    heads = (HEAD + b"X-Slow: ", HEAD + b"Content-Length: 100000\r\n\r\n")

    async def call(first: bytes) -> None:
        reader, writer = await asyncio.open_connection(site.target.host, site.target.port)
        try:
            writer.write(first)
            while not reader.at_eof() and not writer.transport.is_closing():
                writer.write(b"x")
                await asyncio.sleep(1)
        finally:
            writer.transport.abort()

    async with _again_and_again([partial(call, heads[at % 2]) for at in range(count)]):
        yield


@asynccontextmanager
async def large(site: Site, count: int) -> AsyncIterator[None]:
    """They send 100 MB each, again and again; every other one does not say how much it is going to be."""
    announced = HEAD + b"Content-Length: %d\r\n\r\n" % (100 * MIB), bytes(MIB)
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % MIB + bytes(MIB) + b"\r\n"

    async def call(head: bytes, part: bytes) -> None:
        _, writer = await asyncio.open_connection(site.target.host, site.target.port)
        try:
            writer.write(head)
            for _ in range(100):
                writer.write(part)
                await writer.drain()
        finally:
            writer.transport.abort()

    async with _again_and_again([partial(call, *(announced, chunked)[at % 2]) for at in range(count)]):
        yield


@asynccontextmanager
async def _again_and_again(calls: Sequence[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    async def repeat(call: Callable[[], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(OSError):
                await call()
            await asyncio.sleep(PAUSE_S)

    tasks = [asyncio.create_task(repeat(call)) for call in calls]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

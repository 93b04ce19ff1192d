"""Bodies that nobody reads, from callers who send them whole before they look for an answer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from server import parting
from server.memory import MEMORY
from server.serving import serving
from tests.modelless import length, modelless

pytestmark = pytest.mark.sockets

MIB = 1 << 20
HEAD = "POST / HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def served(listening: socket.socket, **limits: Any) -> AsyncIterator[web.Application]:
    app = modelless(**limits)
    async with serving(app, [("POST", "/", length)], listening):
        yield app


async def test_who_is_refused_may_send_all_of_it_first_and_ask_again(listening: socket.socket) -> None:
    async with served(listening) as app:
        held = int(0.86 * app[MEMORY].most_bodies)
        app[MEMORY].hold(held)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(f"{HEAD}Content-Length: {4 * MIB}\r\n\r\n".encode() + bytes(4 * MIB))
        await writer.drain()
        said = await reader.readuntil(b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 503")
        size = next(line for line in said.split(b"\r\n") if line.startswith(b"Content-Length: "))
        await reader.readexactly(int(size.removeprefix(b"Content-Length: ")))
        app[MEMORY].release(held)
        writer.write(f"{HEAD}Content-Length: 2\r\n\r\nab".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize("framing", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
async def test_who_sends_far_too_much_is_told_so_at_once_and_is_not_read_for_long(
    listening: socket.socket, framing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parting, "PATIENCE", 0.1)
    async with served(listening, max_body_bytes=MIB):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        part = b"100000\r\n" + bytes(MIB) + b"\r\n" if framing.endswith("chunked") else bytes(MIB)
        writer.write(f"{HEAD}{framing}\r\n\r\n".encode())
        sent = 0

        async def send() -> None:
            nonlocal sent
            for sent in range(900):  # noqa: B007 - it is looked at outside
                writer.write(part)
                await writer.drain()

        sending = asyncio.create_task(send())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        with pytest.raises(ConnectionError):
            await sending
        assert sent < 100
        writer.close()

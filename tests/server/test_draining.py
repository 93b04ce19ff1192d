"""Taking leave: nobody who has come is lost, and nobody is waited for without end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from server import draining
from server.draining import drain
from server.serving import serving
from server.slowness import is_idle
from tests.modelless import modelless

pytestmark = pytest.mark.sockets

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "LISTEN_SECONDS", 0.2)
    monkeypatch.setattr(draining, "DRAIN_SECONDS", 30.0)


class Served:
    """A server whose handler reads its body, then waits for `go`; `begun` when it has read a first one."""

    def __init__(self, listening: socket.socket, door: serving) -> None:
        self.address = listening.getsockname()
        self.door = door
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)

    async def accepted(self, count: int) -> None:
        while self.door.connections < count:  # noqa: ASYNC110 - the system has no event for it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(listening: socket.socket) -> AsyncIterator[Served]:
    app = modelless()

    async def handler(request: web.Request) -> web.Response:
        here.begun.set()
        body = await request.read()
        await here.go.wait()
        return web.Response(body=body)

    async with serving(app, [("POST", "/", handler)], listening) as door:
        here = Served(listening, door)
        yield here


async def answer(reader: asyncio.StreamReader) -> tuple[str, bool, bytes]:
    """Status, whether the connection ends here, and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return head.split()[1], "Connection: close" in head, await reader.readexactly(4)


async def test_answers_close_their_connection_from_the_first_moment(listening: socket.socket) -> None:
    async with served(listening) as here:
        reader, writer = await here.opened()
        writer.write(HEAD + b"one.")
        assert await answer(reader) == ("200", False, b"one.")
        leaving = asyncio.create_task(drain(here.door, 60.0))
        await asyncio.sleep(0)
        writer.write(HEAD + b"two.")
        assert await answer(reader) == ("200", True, b"two.")
        assert await reader.read() == b""
        await leaving
        writer.close()


async def test_who_comes_while_it_leaves_is_served(listening: socket.socket) -> None:
    async with served(listening) as here:
        first, other = await here.opened()
        await here.accepted(1)
        leaving = asyncio.create_task(drain(here.door, 60.0))
        await asyncio.sleep(0.05)
        reader, writer = await here.opened()
        writer.write(HEAD + b"late")
        assert await answer(reader) == ("200", True, b"late")
        await leaving
        writer.close()
        other.close()
        assert await first.read() == b""


async def test_a_request_under_way_is_finished_with_all_of_its_body(listening: socket.socket) -> None:
    async with served(listening) as here:
        reader, writer = await here.opened()
        writer.write(HEAD + b"ha")
        await here.begun.wait()
        leaving = asyncio.create_task(drain(here.door, 60.0))
        await asyncio.sleep(0.3)  # idle connections would be closed by now
        writer.write(b"lf")
        assert await answer(reader) == ("200", True, b"half")
        await leaving
        assert here.door.connections == 0
        writer.close()


async def test_who_comes_later_is_refused_while_a_request_is_finished(listening: socket.socket) -> None:
    async with served(listening) as here:
        here.go.clear()
        reader, writer = await here.opened()
        writer.write(HEAD + b"long")
        await here.begun.wait()
        leaving = asyncio.create_task(drain(here.door, 60.0))
        await asyncio.sleep(0.3)  # longer than it listens
        (came,) = await asyncio.gather(here.opened(), return_exceptions=True)
        here.go.set()
        assert await answer(reader) == ("200", True, b"long")
        await leaving
        writer.close()
        assert isinstance(came, ConnectionRefusedError)


async def test_an_idle_connection_is_closed_but_not_at_once(listening: socket.socket) -> None:
    async with served(listening) as here:
        reader, writer = await here.opened()
        await here.accepted(1)
        began = asyncio.get_running_loop().time()
        await drain(here.door, 60.0)
        assert asyncio.get_running_loop().time() >= began + draining.LISTEN_SECONDS
        assert await reader.read() == b""
        writer.close()


async def test_a_request_that_never_ends_is_not_waited_for(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "DRAIN_SECONDS", 0.5)
    async with served(listening) as here:
        here.go.clear()
        reader, writer = await here.opened()
        writer.write(HEAD + b"hang")
        await here.begun.wait()
        await drain(here.door, 60.0)
        assert here.door.connections == 1
    assert await reader.read() == b""
    writer.close()


async def test_in_a_hurry_nobody_is_waited_for_who_is_not_here(listening: socket.socket) -> None:
    async with served(listening) as here:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.wait_for(drain(here.door, 60.0, hurried=True), 30)
        assert loop.time() < began + draining.LISTEN_SECONDS


async def test_who_has_a_successor_leaves_the_backlog_to_it(listening: socket.socket) -> None:
    async with served(listening) as here:
        shared = listening.dup()
        leaving = asyncio.create_task(drain(here.door, 60.0, succeeded=True))
        await asyncio.sleep(0)
        reader, writer = await here.opened()
        await leaving
        async with served(shared) as successor:
            writer.write(HEAD + b"next")
            assert await answer(reader) == ("200", False, b"next")
            assert successor.door.accepting.accepted == 1
        writer.close()
        assert listening.fileno() == -1  # or it would stay open for as long as something is under way here


async def test_connections_with_bytes_to_read_are_not_idle(listening: socket.socket) -> None:
    async with served(listening) as here:
        reader, writer = await here.opened()
        await here.accepted(1)
        await asyncio.sleep(0.05)
        (handler,) = here.door.handlers
        assert is_idle(handler)
        assert handler.transport is not None
        handler.transport.pause_reading()
        writer.write(HEAD + b"come")
        await writer.drain()
        while is_idle(handler):  # noqa: ASYNC110 - until the bytes are there
            await asyncio.sleep(0.005)
        draining.close_idle(here.door.handlers)
        handler.transport.resume_reading()
        assert await answer(reader) == ("200", False, b"come")
        writer.close()

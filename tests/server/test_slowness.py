"""Other ends that are slow with what they send or take are let go, and nobody else notices."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from server import slowness
from server.memory import MEMORY
from server.serving import serving
from server.slowness import HUNG_UP
from tests.modelless import length, modelless

pytestmark = pytest.mark.sockets

HUGE = 64 << 20  # bytes: more than fits into the buffers of two sockets


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "LOOK_SECONDS", 0.01)


async def huge(request: web.Request) -> web.Response:
    return web.Response(body=bytes(HUGE))


@asynccontextmanager
async def served(listening: socket.socket, **limits: Any) -> AsyncIterator[web.Application]:
    app = modelless(**limits)
    async with serving(app, [("POST", "/", length), ("GET", "/huge", huge)], listening):
        yield app


async def opened(listening: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*listening.getsockname())


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110 - what happens in the system has no event
            await asyncio.sleep(0.005)


def post(body: bytes, announced: int | None = None, more: str = "") -> bytes:
    size = len(body) if announced is None else announced
    return f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize("sent", [b"", b"POST / HTTP/1.1\r\nHos"])
async def test_who_never_ends_its_head_is_hung_up_on(listening: socket.socket, sent: bytes) -> None:
    async with served(listening, header_timeout=0.05) as app:
        reader, writer = await opened(listening)
        writer.write(sent)
        assert await reader.read() == b""
        assert app[HUNG_UP] == {"header": 1}
        writer.close()


async def test_a_second_head_has_as_much_time_and_no_more(listening: socket.socket) -> None:
    async with served(listening, header_timeout=0.2) as app:
        reader, writer = await opened(listening)
        writer.write(post(b"ab"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.read(1) == b"2"
        await asyncio.sleep(0.4)  # between two requests it may take its time
        assert not app[HUNG_UP]
        writer.write(b"POST / HTTP/1.1\r\n")
        assert await reader.read() == b""
        assert app[HUNG_UP] == {"header": 1}
        writer.close()


async def test_while_a_request_is_worked_on_nobody_waits_for_a_head(listening: socket.socket) -> None:
    async with served(listening, header_timeout=0.05) as app:
        reader, writer = await opened(listening)
        whole = post(b"abcd")
        writer.write(whole[:-2])
        await asyncio.sleep(0.2)
        writer.write(whole[-2:])
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert not app[HUNG_UP]
        writer.close()


async def test_a_body_that_does_not_come_in_time_is_refused_and_that_is_the_end(listening: socket.socket) -> None:
    async with served(listening, body_timeout=0.05) as app:
        reader, writer = await opened(listening)
        writer.write(post(b"ab", announced=4))
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"the body did not come in time" in answer
        assert b"Connection: close" in answer
        assert app[MEMORY].bodies == 0
        writer.close()


async def test_a_drip_is_no_progress(listening: socket.socket) -> None:
    async with served(listening, body_timeout=0.2):
        reader, writer = await opened(listening)
        writer.write(post(b"", announced=10_000))

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 408")
        dripping.cancel()
        writer.close()


async def test_who_does_not_take_its_answer_is_hung_up_on(listening: socket.socket) -> None:
    async with served(listening, write_timeout=0.1) as app:
        reader, writer = await opened(listening)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of a stream
        writer.write(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: app[HUNG_UP])
        assert app[HUNG_UP] == {"write": 1}
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(HUGE)
        writer.close()


async def test_who_takes_it_slowly_but_in_time_has_all_of_it(listening: socket.socket) -> None:
    async with served(listening, write_timeout=20) as app:
        reader, writer = await opened(listening)
        writer.write(b"GET /huge HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        assert len(await reader.readexactly(HUGE)) == HUGE
        assert not app[HUNG_UP]
        writer.close()


async def test_whoever_expects_it_is_told_to_go_on_once_its_body_is_wanted(listening: socket.socket) -> None:
    async with served(listening):
        reader, writer = await opened(listening)
        writer.write(post(b"", announced=2, more="Expect: 100-continue\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_while_memory_is_short_large_bodies_are_refused_before_they_come(listening: socket.socket) -> None:
    async with served(listening) as app:
        app[MEMORY].hold(int(0.86 * app[MEMORY].most_bodies))
        reader, writer = await opened(listening)
        writer.write(post(b"", announced=1 << 20, more="Expect: 100-continue\r\n"))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: " in answer
        writer.close()
        reader, writer = await opened(listening)
        writer.write(post(b"ab"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_bodies_count_as_they_come_and_until_their_request_has_ended(listening: socket.socket) -> None:
    async with served(listening, max_bodies_bytes=100_000) as app:
        memory = app[MEMORY]
        one, two = await opened(listening), await opened(listening)
        for _, writer in (one, two):
            writer.write(post(bytes(40_000), announced=60_000))
        await until(lambda: memory.bodies == 80_000)
        one[1].write(bytes(15_000))
        await until(lambda: memory.bodies == 95_000)
        two[1].write(bytes(20_000))
        assert (await two[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 503")
        one[1].write(bytes(5_000))
        assert (await one[0].readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await until(lambda: memory.bodies == 0)
        for _, writer in (one, two):
            writer.close()


async def test_a_body_without_a_length_is_bounded_too(listening: socket.socket) -> None:
    async with served(listening, max_body_bytes=1000) as app:
        reader, writer = await opened(listening)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"800\r\n" + bytes(0x800) + b"\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413")
        assert app[MEMORY].bodies == 0
        writer.close()

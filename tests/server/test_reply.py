"""Written at once or not, an answer is what aiohttp makes of it, and who does not read is waited for."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from server.reply import LONG, SHORT, Answer, Reply
from server.serving import serving
from tests.modelless import modelless

pytestmark = pytest.mark.sockets

QUIET_SECONDS = 0.3  # nothing more comes
CASES = {
    "plain": b"GET /KIND/16 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n",
    "two on one connection": b"GET /KIND/16 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n" * 2,
    "empty": b"GET /KIND/0 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n",
    "as long as is short": b"GET /KIND/%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n" % SHORT,
    "long": b"GET /KIND/%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n" % (SHORT + 1),
    "as long as is long": b"GET /KIND/%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n" % LONG,
    "head of what is long": b"HEAD /KIND/%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n" % LONG,
    "closing behind what is long": b"GET /KIND/%d HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\nConnection: close\r\n\r\n"
    % LONG,
    "closing": b"GET /KIND/16 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\nConnection: close\r\n\r\n",
    "old": b"GET /KIND/16 HTTP/1.0\r\nX-Request-Id: a\r\n\r\n",
    "old that stays": b"GET /KIND/16 HTTP/1.0\r\nX-Request-Id: a\r\nConnection: keep-alive\r\n\r\n",
    "head": b"HEAD /KIND/16 HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n\r\n",
}


class Kinds:
    """Handlers that answer with a Reply, and with what it stands for; `handled` counts."""

    def __init__(self) -> None:
        self.handled = 0

    async def __call__(self, request: web.Request) -> Answer:
        self.handled += 1
        body, headers = b"x" * int(request.match_info["size"]), {"X-Own": "1"}
        if request.match_info["kind"] == "reply":
            return Reply(body, headers)
        return web.Response(body=body, headers=headers, content_type="application/json")


@asynccontextmanager
async def served(listening: socket.socket) -> AsyncIterator[tuple[Kinds, serving]]:
    app, kinds = modelless(), Kinds()
    async with serving(app, [("GET", "/{kind}/{size}", kinds)], listening) as door:
        yield kinds, door


def said(address: tuple[str, int], text: bytes) -> tuple[list[bytes], bool]:
    """The lines of what comes back but its date, in no order; and whether the connection stays open behind it."""
    received, is_open = b"", True
    with socket.create_connection(address, timeout=QUIET_SECONDS) as client:
        client.sendall(text)
        with contextlib.suppress(TimeoutError):
            while is_open:
                chunk = client.recv(1 << 16)
                received, is_open = received + chunk, bool(chunk)
    return sorted(line for line in received.split(b"\r\n") if not line.startswith(b"Date: ")), is_open


@pytest.mark.parametrize("case", CASES)
async def test_a_reply_is_what_aiohttp_would_have_sent(listening: socket.socket, case: str) -> None:
    async with served(listening):
        written, usual = [
            await asyncio.to_thread(said, listening.getsockname(), CASES[case].replace(b"KIND", kind))
            for kind in (b"reply", b"usual")
        ]
    assert written == usual
    assert b"X-Own: 1" in written[0]


async def test_the_last_reply_of_a_server_that_leaves_closes_its_connection(listening: socket.socket) -> None:
    async with served(listening) as (_, door):
        door.announce_leave()
        text = CASES["plain"].replace(b"KIND", b"reply")
        lines, is_open = await asyncio.to_thread(said, listening.getsockname(), text)
    assert b"Connection: close" in lines
    assert not is_open


async def test_who_does_not_read_is_waited_for(listening: socket.socket) -> None:
    asked = b"GET /reply/%d HTTP/1.1\r\nHost: x\r\n\r\n" % SHORT
    async with served(listening) as (kinds, _):
        with socket.create_connection(listening.getsockname()) as client:
            client.setblocking(False)
            many = client.send(asked * 2000) // len(asked)
            before = 0
            while kinds.handled > before or not kinds.handled:
                before = kinds.handled
                await asyncio.sleep(QUIET_SECONDS)
            assert many > 1000  # of which the system's own buffers hold some hundreds
            assert kinds.handled < many


class Watched(Reply):
    """Counts how often the event loop turns while it is written."""

    turns = 0

    async def write_eof(self, data: bytes = b"") -> None:
        counting = asyncio.create_task(self._count())
        await super().write_eof(data)
        counting.cancel()

    async def _count(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


async def test_the_loop_turns_while_a_long_reply_is_written(listening: socket.socket) -> None:
    reply = Watched(b"x" * LONG * 8, {})

    async def handler(_request: web.Request) -> Answer:
        return reply

    async with serving(modelless(), [("GET", "/", handler)], listening):
        lines, _ = await asyncio.to_thread(said, listening.getsockname(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"x" * LONG * 8 in lines
    assert reply.turns > 4

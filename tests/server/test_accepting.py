"""Taking connections: one at a time, not too many, and apart from closing them."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from server.accepting import UNACKNOWLEDGED_MS, Accepting
from server.board import Board, make_board
from server.serving import serving
from tests.modelless import modelless

pytestmark = pytest.mark.sockets


def address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


async def ok(request: web.Request) -> web.Response:
    assert request.transport is not None
    connection: socket.socket = request.transport.get_extra_info("socket")
    shown = {
        "nodelay": connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
        "keepalive": connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        "user_timeout": connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        "port": request.transport.get_extra_info("peername")[1],
    }
    return web.json_response(shown)


@asynccontextmanager
async def served(
    listening: socket.socket, handler: Callable[[web.Request], Awaitable[web.Response]] = ok, most: int = 100
) -> AsyncIterator[serving]:
    app = modelless()
    async with serving(app, [("GET", "/", handler)], listening, most=most) as door:
        yield door


async def opened(listening: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*listening.getsockname())


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110 - what happens in the system has no event
            await asyncio.sleep(0.005)


async def test_connections_are_as_a_server_wants_them_and_are_kept(listening: socket.socket) -> None:
    async with served(listening) as door, ClientSession(address(listening)) as client:
        said = [await (await client.get("/")).json() for _ in range(3)]
        assert door.accepting.accepted == 1
    assert said[0]["nodelay"] == 1
    assert said[0]["keepalive"] == 1
    assert said[0]["user_timeout"] == UNACKNOWLEDGED_MS
    assert len({one["port"] for one in said}) == 1


async def test_who_hangs_up_cancels_its_request(listening: socket.socket) -> None:
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return web.Response()

    async with served(listening, slow) as door:
        _, writer = await opened(listening)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await began.wait()
        assert door.connections == 1
        writer.close()
        async with asyncio.timeout(30):
            await cancelled.wait()
        await until(lambda: door.connections == 0)


async def test_what_is_under_way_is_finished_in_the_end_and_nobody_new_is_taken(listening: socket.socket) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        began.set()
        await goes_on.wait()
        return web.Response(text="done")

    name = listening.getsockname()
    async with ClientSession(address(listening)) as client:
        async with served(listening, slow):
            asking = asyncio.create_task(client.get("/"))
            await began.wait()
            asyncio.get_running_loop().call_later(0.05, goes_on.set)
        assert await (await asking).text() == "done"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*name)


async def test_to_stop_accepting_closes_no_connection(listening: socket.socket) -> None:
    async with served(listening) as door, ClientSession(address(listening)) as client:
        assert (await client.get("/")).status == 200
        await door.accepting.stop()
        _, writer = await opened(listening)  # waits in the backlog
        assert (await client.get("/")).status == 200
        assert (door.accepting.accepted, door.connections) == (1, 1)
        door.accepting.start()
        await until(lambda: door.connections == 2)
        writer.close()


async def test_to_finish_takes_all_who_wait_and_who_comes_later_is_refused(listening: socket.socket) -> None:
    name = listening.getsockname()
    async with served(listening) as door:
        waiting = [socket.create_connection(name) for _ in range(20)]
        await door.accepting.finish()
        assert door.accepting.accepted == 20
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(name)
        for one in waiting:
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"200" in await asyncio.to_thread(one.recv, 1 << 10)
            one.close()


async def test_who_shares_the_socket_goes_on_when_another_finishes(listening: socket.socket) -> None:
    shared = listening.dup()
    async with served(listening) as door, served(shared) as other:
        await door.accepting.finish()
        async with ClientSession(address(shared)) as client:
            assert (await client.get("/")).status == 200
        assert (door.accepting.accepted, other.accepting.accepted) == (0, 1)


async def test_too_many_wait_until_others_have_gone(listening: socket.socket) -> None:
    async with served(listening, most=3) as door:
        clients = [await opened(listening) for _ in range(8)]
        for _, writer in clients:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader, _ in clients[:3]:
            assert b"200" in await reader.readline()
        await asyncio.sleep(0.2)
        assert door.connections == 3
        for _, writer in clients[:3]:
            writer.close()
        for reader, _ in clients[3:6]:
            assert b"200" in await reader.readline()
        for _, writer in clients[3:]:
            writer.close()
        await until(lambda: door.accepting.accepted == 8 and door.connections == 0)


async def test_of_those_that_ask_nothing_some_make_room_for_whoever_waits(listening: socket.socket) -> None:
    async with served(listening, most=3) as door:
        idle = [await opened(listening) for _ in range(3)]
        await until(lambda: door.connections == 3)
        reader, writer = await opened(listening)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()
        assert await idle[0][0].read() == b""  # who has waited longest
        assert door.connections == 3
        assert not idle[2][0].at_eof()
        for _, one in (*idle, (reader, writer)):
            one.close()


async def test_who_is_being_answered_makes_room_for_nobody(listening: socket.socket) -> None:
    go = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        await go.wait()
        return web.Response(text="done")

    async with served(listening, wait, most=2) as door:
        busy = [await opened(listening) for _ in range(3)]
        for _, writer in busy:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.8)
        assert door.connections == 2
        go.set()
        for reader, _ in busy:
            assert b"200" in await reader.readline()
        for _, writer in busy:
            writer.close()


async def test_without_descriptors_it_neither_crashes_nor_spins(
    listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with served(listening) as door:
        clients = [socket.create_connection(listening.getsockname()) for _ in range(4)]
        await until(lambda: door.connections == 4)
        more = [socket.create_connection(listening.getsockname()) for _ in range(2)]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_next_descriptor(), before[1]))
            await until(lambda: "no connection can be accepted" in caplog.text)
            clients[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = await asyncio.to_thread(clients[0].recv, 1 << 10)
            await asyncio.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert b"200" in answer
        assert len(caplog.records) <= 2
        await until(lambda: door.connections == 6)
        for one in (*clients, *more):
            one.close()


def _next_descriptor() -> int:
    probe = os.open("/dev/null", os.O_RDONLY)
    os.close(probe)
    return probe


async def test_two_at_one_socket_share_its_connections(listening: socket.socket, tmp_path: Path) -> None:
    make_board(tmp_path / "board", 2)
    counts, open_now = [0, 0], []

    class Taken(asyncio.Protocol):
        def __init__(self, index: int) -> None:
            self.index = index

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            counts[self.index] += 1
            open_now.append(transport)

    doors = [listening.dup() for _ in range(2)]  # an event loop knows a descriptor once only
    pair = [
        Accepting(
            doors[index],
            lambda index=index: Taken(index),  # type: ignore[misc]  # mypy knows no defaults of lambdas
            connections=lambda index=index: counts[index],  # type: ignore[misc]
            most=100,
            board=Board(tmp_path / "board", index),
        )
        for index in range(2)
    ]
    for one in pair:
        one.start()
    clients = []
    for _ in range(20):
        clients.append(await opened(listening))
        await until(lambda: sum(counts) == len(clients))
    assert counts == [10, 10]
    for one, door in zip(pair, doors, strict=True):
        await one.stop()
        door.close()
    for transport in open_now:
        transport.close()
    for _, writer in clients:
        writer.close()


async def test_at_least_one_connection_must_be_allowed(listening: socket.socket) -> None:
    with pytest.raises(ValueError, match="most must be positive, got 0"):
        Accepting(listening, asyncio.Protocol, connections=lambda: 0, most=0)

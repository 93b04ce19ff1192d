"""Names that cannot be read must hold up nobody else; the lookups are made to hang, in threads that are real."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from server.resolver import FRESH_SECONDS, PATIENCE_SECONDS, Resolver
from server.sessions import connector_to, session_on
from server.threads import thread_for

pytestmark = pytest.mark.sockets

PATIENT = 10.0  # seconds until a test gives up
READ = socket.getaddrinfo


class Names:
    """The system's names, of which some cannot be read until `back` is set; `asked` are all that were."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self.asked: list[str] = []
        self.back = threading.Event()

    def __call__(self, host: str, *more: Any, **others: Any) -> Any:
        self.asked.append(host)
        if host in self.lost:
            self.back.wait(PATIENT)
        if host == "nobody":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return READ("localhost", *more, **others)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    known = Names()
    monkeypatch.setattr(socket, "getaddrinfo", known)
    yield known
    known.back.set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes what is known older by so many seconds."""

    def age(seconds: float) -> None:
        monkeypatch.setattr("server.resolver.FRESH_SECONDS", FRESH_SECONDS - seconds)

    return age


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    with thread_for("names") as executor:
        yield Resolver(executor)


async def read(resolver: Resolver, host: str) -> list[str]:
    async with asyncio.timeout(PATIENT):
        return [one["host"] for one in await resolver.resolve(host, 80)]


async def test_a_name_is_looked_up_once(resolver: Resolver, names: Names) -> None:
    assert await read(resolver, "a") == await read(resolver, "a") == ["127.0.0.1"]
    assert names.asked == ["a"]


async def test_those_who_ask_at_once_share_a_lookup(resolver: Resolver, names: Names) -> None:
    assert await asyncio.gather(*(read(resolver, "a") for _ in range(9))) == [["127.0.0.1"]] * 9
    assert names.asked == ["a"]


async def test_a_name_that_nobody_has_is_an_error_and_asked_for_again(resolver: Resolver, names: Names) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="unknown"):
            await read(resolver, "nobody")
    assert names.asked == ["nobody"] * 2


async def test_who_does_not_wait_any_longer_does_not_end_the_wait_of_others(resolver: Resolver, names: Names) -> None:
    names.lost.add("a")
    hasty, patient = (asyncio.create_task(read(resolver, "a")) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    await asyncio.wait([hasty])
    names.back.set()
    assert await patient == ["127.0.0.1"]


async def test_what_is_old_is_looked_up_anew(resolver: Resolver, names: Names, clock: Callable[[float], None]) -> None:
    await read(resolver, "a")
    clock(FRESH_SECONDS)
    await read(resolver, "a")
    assert names.asked == ["a", "a"]


async def test_what_is_old_is_still_good_when_names_cannot_be_read(
    resolver: Resolver, names: Names, clock: Callable[[float], None]
) -> None:
    await read(resolver, "a")
    clock(FRESH_SECONDS)
    names.lost.add("a")
    for _ in range(20):  # only the first waits, for a moment
        assert await read(resolver, "a") == ["127.0.0.1"]
    assert names.asked == ["a", "a"]
    assert PATIENCE_SECONDS < 1


async def test_several_addresses_are_the_first_in_turn(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{last}", 80)) for last in (1, 2, 3)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    firsts = [(await read(resolver, "a"))[0] for _ in range(6)]
    assert sorted(firsts) == sorted([f"127.0.0.{last}" for last in (1, 2, 3)] * 2)


@asynccontextmanager
async def server() -> AsyncIterator[int]:
    """Somebody who answers; the port."""

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_servers_whose_names_cannot_be_read_hold_up_nobody(names: Names) -> None:
    """As many as there are threads that everyone shares, and more; and those threads are taken, too."""
    lost = {f"lost-{at}" for at in range(40)}
    names.lost |= lost
    taken = [asyncio.get_running_loop().run_in_executor(None, names.back.wait, PATIENT) for _ in range(40)]
    async with AsyncExitStack() as opened, asyncio.timeout(PATIENT):

        async def client(name: str) -> aiohttp.ClientSession:
            executor = opened.enter_context(thread_for(name))
            return await opened.enter_async_context(session_on(connector_to(Resolver(executor), 4)))

        port = await opened.enter_async_context(server())
        hanging = [asyncio.create_task((await client(name)).get(f"http://{name}:{port}/")) for name in sorted(lost)]
        session = await client("there")
        for _ in range(20):
            async with session.get(f"http://there:{port}/") as response:
                assert await response.text() == "hello"
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        names.back.set()
        await asyncio.gather(*taken)


async def test_nothing_is_sent_again_behind_our_back() -> None:
    """aiohttp sends a GET once more over another connection if it finds one closed; not here."""
    heard = 0

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        while await reader.readuntil(b"\r\n\r\n"):
            heard += 1
            if heard == 2:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(called, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    async with session_on(aiohttp.TCPConnector(limit=1)) as session:
        async with session.get(url):
            pass
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(url)
    listening.close()
    assert heard == 2

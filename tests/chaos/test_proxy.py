"""The proxy does what it is told, and nothing else; and it sees what a client does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import aiohttp
import pytest

from tests.chaos.faults import NONE, Faults
from tests.chaos.proxy import Proxy
from tests.there import There, server

pytestmark = pytest.mark.sockets

GENEROUS = 10.0
SHORT = 0.05


@asynccontextmanager
async def behind(faults: Faults = NONE) -> AsyncIterator[tuple[Proxy, There, aiohttp.ClientSession]]:
    async with (
        asyncio.timeout(3 * GENEROUS),
        server() as there,
        Proxy(there.address, faults) as proxy,
        aiohttp.ClientSession(proxy.url) as client,
    ):
        yield proxy, there, client


async def ask(client: aiohttp.ClientSession) -> bytes:
    async with client.get("/v2/models/m", headers={"X-Request-Id": "the-id"}) as response:
        assert response.status == 200
        return await response.read()


async def test_what_is_asked_and_answered_passes_unchanged_and_is_seen() -> None:
    async with behind() as (proxy, there, client):
        async with aiohttp.ClientSession(there.url) as direct:
            assert await ask(client) == await ask(client) == await ask(direct)
        assert proxy.accepted == 1
        first, second = proxy.seen
        assert (first.request.path, first.request.headers["x-request-id"]) == ("/v2/models/m", "the-id")
        assert first.answered is not None
        assert first.ended is not None
        assert first.came <= first.answered <= first.ended <= second.came
        assert first.left is second.left is None
        assert proxy.under_way == 0


async def test_an_answer_is_late_by_so_much_at_least() -> None:
    async with behind(Faults(latency=SHORT, jitter=SHORT)) as (_, _, client):
        began = perf_counter()
        await ask(client)
        assert perf_counter() - began >= SHORT


async def test_in_a_hole_nothing_passes_until_it_is_over() -> None:
    async with behind() as (proxy, there, client):
        await ask(client)
        proxy.faults = Faults(hole=True)
        asking = asyncio.create_task(ask(client))
        await asyncio.wait([asking], timeout=SHORT)
        assert not asking.done()
        assert (proxy.under_way, there.left) == (1, 0)
        proxy.faults = NONE
        assert await asking


async def test_who_hangs_up_in_a_hole_is_seen_to_leave() -> None:
    async with behind(Faults(hole=True)) as (proxy, _, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await ask(client)
        while proxy.connections:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)
        (seen,) = proxy.seen
        assert seen.left is not None
        assert seen.answered is None


async def test_slices_and_bandwidth_take_their_time_and_lose_nothing() -> None:
    async with behind() as (proxy, _, client):
        whole = await ask(client)
        for faults in (Faults(slice=1, pause=0.002), Faults(bandwidth=len(whole) / SHORT)):
            proxy.faults = faults
            began = perf_counter()
            assert await ask(client) == whole
            assert perf_counter() - began >= SHORT


async def test_it_resets_in_the_middle_of_an_answer() -> None:
    async with behind(Faults(reset_after=20)) as (_, _, client):
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await ask(client)


async def test_it_resets_those_who_wait() -> None:
    async with behind(Faults(hole=True)) as (proxy, _, client):
        asking = asyncio.create_task(ask(client))
        while not proxy.seen:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)
        proxy.reset()
        proxy.faults = NONE
        assert await asking  # aiohttp asks again
        assert proxy.accepted == 2
        assert [seen.left is None for seen in proxy.seen] == [False, True]


async def test_it_refuses_and_takes_connections_again_at_the_same_port() -> None:
    async with behind() as (proxy, there, client):
        proxy.refuse()
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(client)
        await proxy.accept()
        assert await ask(client)
        assert there.address[1] != proxy.port


async def test_it_answers_itself_as_often_as_it_should() -> None:
    async def no() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n"

    async with behind(Faults(answer=no, share=0.5)) as (_, _, client):
        statuses = set()
        for _ in range(40):  # by chance all are the same once in 2**39 runs
            async with client.get("/v2/models/m") as response:
                statuses.add(response.status)
        assert statuses == {200, 500}


async def test_a_server_that_has_gone_is_a_reset() -> None:
    async with behind() as (proxy, _, client):
        proxy.target = None
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await ask(client)

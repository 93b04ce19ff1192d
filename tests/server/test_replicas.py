"""A model behind several addresses, over real sockets, with all of its layers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from backends.served import Served
from models.deadline import deadline_after
from models.errors import BackendError, BreakerOpen, DeadlineExceeded, Overloaded, RemoteOverloaded, ServerFault
from models.types import InferResponse
from server.opening import open_remote
from server.settings import RemoteSettings
from tests.fakes import ones
from tests.there import There, server

pytestmark = pytest.mark.sockets

GENEROUS = 10.0  # seconds, for what should take milliseconds


@asynccontextmanager
async def served(count: int, **said: object) -> AsyncIterator[tuple[Served, list[There]]]:
    """A backend of so many servers, all of them verified."""
    async with AsyncExitStack() as opened, asyncio.timeout(3 * GENEROUS):
        servers = [await opened.enter_async_context(server()) for _ in range(count)]
        urls = tuple(there.url for there in servers)
        told = {"model": "m", "url": urls, "features": ("a", "b"), "labels": ("no", "yes"), **said}
        one = await open_remote(opened, "far", RemoteSettings(**told))  # type: ignore[arg-type]  # as a file would say
        await until(lambda: all(replica.there for replica in one.replicas))
        yield one, servers


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(GENEROUS):
        while not holds():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


async def ask(one: Served, seconds: float = GENEROUS) -> InferResponse:
    return await one.backend(ones(), deadline_after(seconds))


async def many(one: Served, count: int, seconds: float = GENEROUS) -> list[InferResponse | BaseException]:
    return [(await asyncio.gather(ask(one, seconds), return_exceptions=True))[0] for _ in range(count)]


async def test_both_are_asked() -> None:
    async with served(2) as (one, servers):
        await many(one, 40)
        assert all(there.calls > 5 for there in servers)


async def test_a_hedge_is_answered_by_the_other_and_the_one_that_hangs_sees_its_caller_go() -> None:
    """G9, over sockets."""
    async with served(2, hedge=True) as (one, servers):
        await many(one, 60)  # how long they take, and what pays for one hedge
        slow, quick = servers
        slow.hangs = True
        one.replicas[1].in_flight += 1  # so that the one that hangs is asked first
        assert await ask(one)
        assert (one.statistics.hedges, one.statistics.hedges_won) == (1, 1)
        await until(lambda: slow.left == 1)
        assert quick.calls > 0


async def test_what_costs_or_may_be_done_only_once_is_not_even_allowed_a_hedge() -> None:
    """`chorus check` says so; here it is seen that retries are off, too."""
    async with served(1, idempotent=False) as (one, (there,)):
        there.status, there.headers = 503, {"Retry-After": "0"}
        with pytest.raises(RemoteOverloaded):
            await ask(one)
        assert (there.calls, one.statistics.retries) == (1, 0)


async def test_a_server_that_has_too_much_to_do_is_asked_again_when_it_says() -> None:
    async with served(1) as (one, (there,)):
        there.status, there.headers = 503, {"Retry-After": "0"}
        with pytest.raises(RemoteOverloaded):
            await ask(one)
        assert (there.calls, one.statistics.retries) == (2, 1)
        assert one.vitals is not None
        assert one.vitals.bound.room < 32


async def test_one_that_asks_to_be_left_alone_is_and_the_other_is_asked() -> None:
    async with served(2) as (one, servers):
        servers[0].status, servers[0].headers = 503, {"Retry-After": "60"}
        await many(one, 30)
        assert servers[0].calls == 1
        servers[1].status, servers[1].headers = 503, {"Retry-After": "60"}
        await many(one, 3)
        assert (servers[0].calls, servers[1].calls > 20) == (1, True)
        with pytest.raises(Overloaded):
            await ask(one)


async def test_one_that_fails_is_left_alone_while_the_other_answers() -> None:
    async with served(2) as (one, servers):
        servers[0].status = 500
        broken = one.replicas[0].circuit
        async with asyncio.timeout(3 * GENEROUS):
            while broken.closed:
                await many(one, 5)
                await asyncio.sleep(0.01)
        assert all(isinstance(said, InferResponse) for said in await many(one, 30))


async def test_the_only_one_that_fails_is_refused_at_once_and_closed_by_a_probe() -> None:
    async with served(1) as (one, (there,)):
        there.status = 500
        said = await many(one, 6)
        assert [type(error) for error in said] == [ServerFault] * 5 + [BreakerOpen]
        there.status = 200
        circuit = one.replicas[0].circuit
        async with asyncio.timeout(GENEROUS):
            while not circuit.closed:
                await many(one, 1)
                await asyncio.sleep(0.05)
        assert there.calls == 6


async def test_one_that_hangs_takes_nothing_from_another() -> None:
    """G11: 64 calls hang at one server; another one is asked as ever. They share no connection and no place."""
    async with served(1, limit=64) as (hung, (there,)), served(1) as (other, _):
        there.hangs = True
        calls: list[asyncio.Task[InferResponse]] = []
        for _ in range(64):  # one by one, for they connect in the one loop in which they are answered
            calls.append(asyncio.create_task(ask(hung)))
            await until(lambda: there.calls == len(calls))
        assert all(isinstance(said, InferResponse) for said in await many(other, 100))
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        await until(lambda: there.left == 64)


async def test_a_hasty_caller_is_starved_and_opens_nothing() -> None:
    async with served(1) as (one, (there,)):
        there.hangs = True
        for _ in range(20):
            with pytest.raises((DeadlineExceeded, BackendError)):
                await ask(one, 0.005)
        there.hangs = False
        assert one.replicas[0].circuit.closed
        assert await ask(one)

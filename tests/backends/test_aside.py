"""Large bodies are read and written in a thread; the event loop turns meanwhile."""

import asyncio
import threading

import pytest

from backends.aside import LARGE, Aside
from models.errors import InvalidRequest
from server.threads import thread_for


async def test_what_is_small_is_done_here_and_now() -> None:
    with thread_for("bodies") as executor:
        assert await Aside(executor)(LARGE - 1, threading.get_ident) == threading.get_ident()
    assert await Aside()(LARGE, threading.get_ident) == threading.get_ident()


async def test_the_loop_turns_while_a_large_body_is_read() -> None:
    turned = threading.Event()
    asyncio.get_running_loop().call_soon(turned.set)
    with thread_for("bodies") as executor:
        assert await Aside(executor)(LARGE, turned.wait, timeout=60)


async def test_what_is_wrong_with_a_large_body_is_told() -> None:
    def refuse(where: str) -> None:
        raise InvalidRequest("expected a number", where)

    with thread_for("bodies") as executor, pytest.raises(InvalidRequest, match="expected a number"):
        await Aside(executor)(LARGE, refuse, "$")


async def test_who_is_cancelled_does_not_wait() -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(60)

    with thread_for("bodies") as executor:
        waiting = asyncio.create_task(Aside(executor)(LARGE, work))
        await begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go_on.set()

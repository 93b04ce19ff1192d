import asyncio

import pytest

from backends.eager import begin
from tests.fakes import now, settle


async def answer(*waits: float) -> str:
    for wait in waits:
        await asyncio.sleep(wait)
    return "said"


async def test_what_waits_for_nothing_is_done_at_once() -> None:
    assert begin(answer(), asyncio.get_running_loop()) == "said"


async def test_what_has_to_wait_becomes_a_task() -> None:
    task = begin(answer(1, 0, 2), asyncio.get_running_loop())
    assert isinstance(task, asyncio.Task)
    assert await task == "said"
    assert now() == 3


async def test_what_is_raised_before_the_first_wait_is_raised_here_and_later_by_the_task() -> None:
    async def fail(*waits: float) -> None:
        await answer(*waits)
        raise KeyError("x")

    with pytest.raises(KeyError):
        begin(fail(), asyncio.get_running_loop())
    task = begin(fail(1), asyncio.get_running_loop())
    assert isinstance(task, asyncio.Task)
    with pytest.raises(KeyError):
        await task


async def test_a_cancellation_reaches_the_call_which_may_tidy_up() -> None:
    tidied = []

    async def tidy() -> None:
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(1)
            tidied.append(now())

    task = begin(tidy(), asyncio.get_running_loop())
    assert isinstance(task, asyncio.Task)
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tidied == [3]


async def test_what_a_wait_raises_reaches_the_call() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def recover() -> str:
        try:
            await future
        except KeyError:
            return await answer(1)
        return ""

    task = begin(recover(), asyncio.get_running_loop())
    assert isinstance(task, asyncio.Task)
    await settle()
    future.set_exception(KeyError("x"))
    assert await task == "said"

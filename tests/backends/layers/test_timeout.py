import asyncio
import gc
import weakref

import pytest

from backends.layers.timeout import Timeout
from models.deadline import deadline_after
from models.errors import BackendError, DeadlineExceeded, ServerFault
from tests.fakes import Fake, Script, now, ones, settle, sure


async def test_an_answer_in_time_comes_through() -> None:
    inner = Fake(sure(1), delay=1)
    assert (await Timeout(inner, seconds=2)(ones(), deadline_after(5))).id == "the-id"


@pytest.mark.parametrize(("seconds", "deadline"), [(2.0, 5.0), (9.0, 2.0), (None, 2.0)])
async def test_the_earlier_of_timeout_and_deadline_counts(seconds: float | None, deadline: float) -> None:
    inner = Fake(sure(1), delay=9)
    with pytest.raises(DeadlineExceeded):
        await Timeout(inner, seconds=seconds)(ones(), deadline_after(deadline))
    assert now() == 2
    assert inner.cancelled == 1
    assert float(inner.calls[0][1]) == 2


async def test_a_failure_comes_through_as_it_is() -> None:
    with pytest.raises(ServerFault):
        await Timeout(Fake(ServerFault("status 500")), seconds=2)(ones(), deadline_after(5))


async def test_a_timeout_of_someone_else_is_not_ours() -> None:
    with pytest.raises(TimeoutError):
        await Timeout(Fake(TimeoutError()), seconds=2)(ones(), deadline_after(5))


async def test_cancellation_goes_through() -> None:
    inner = Fake(sure(1), delay=9)
    task = asyncio.create_task(Timeout(inner, seconds=20)(ones(), deadline_after(20)))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (inner.cancelled, now()) == (1, 0)


@pytest.mark.parametrize(
    "inner", [Script((0, lambda: ServerFault("500"))), Script((9, sure(1)))], ids=["fails", "late"]
)
async def test_an_error_is_gone_once_nobody_looks_at_it_any_more(inner: Script) -> None:
    """Without help from the garbage collector, which would stop all others for a while after some hundred failures."""
    gc.collect()
    gc.disable()
    try:
        error = await _failure(inner)
        assert error() is None
    finally:
        gc.enable()


async def _failure(inner: Script) -> "weakref.ref[BackendError]":
    task = asyncio.create_task(Timeout(inner, seconds=2)(ones(), deadline_after(5)))
    await asyncio.wait([task])
    error = task.exception()
    assert isinstance(error, BackendError)
    return weakref.ref(error)


async def test_who_was_out_of_time_goes_on_and_is_cancelled_no_more() -> None:
    timeout, task = Timeout(Fake(sure(1), delay=9), seconds=2), asyncio.current_task()
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            await timeout(ones(), deadline_after(5))
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(1)
    assert now() == 5


async def test_who_is_cancelled_at_its_deadline_is_cancelled() -> None:
    task = asyncio.create_task(Timeout(Fake(sure(1), delay=9), seconds=2)(ones(), deadline_after(20)))
    await settle()
    asyncio.get_running_loop().call_at(2, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 2


def test_seconds_must_be_positive() -> None:
    with pytest.raises(ValueError, match="got 0"):
        Timeout(Fake(sure(1)), seconds=0)

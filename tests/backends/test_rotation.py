import asyncio

import pytest

from backends.rotation import Rotation
from models.deadline import deadline_after
from models.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    RateLimited,
    ServerFault,
    SignatureMismatch,
    Unverified,
)
from tests.fakes import Fake, ones, settle, sure

DEAD = [ConnectFailed("refused"), Unverified("not read"), SignatureMismatch("other"), RateLimited("full")]


async def test_each_address_has_its_turn() -> None:
    fakes = [Fake(sure(1)) for _ in range(3)]
    rotation = Rotation(fakes)
    for _ in range(6):
        await rotation(ones(), deadline_after(1))
    assert [len(fake.calls) for fake in fakes] == [2, 2, 2]


@pytest.mark.parametrize("error", DEAD, ids=lambda error: error.reason)
async def test_an_address_that_cannot_be_asked_is_passed_over(error: BackendError) -> None:
    good = Fake(sure(1))
    rotation = Rotation([Fake(error), good])
    for _ in range(4):
        assert await rotation(ones(), deadline_after(1))
    assert len(good.calls) == 4


async def test_the_next_address_gets_the_same_deadline() -> None:
    good = Fake(sure(1))
    deadline = deadline_after(1)
    await Rotation([Fake(ConnectFailed("refused"), delay=0.4), good])(ones(), deadline)
    assert good.calls[0][1] == deadline


@pytest.mark.parametrize("error", [ServerFault("500"), ConnectionLost("reset"), DeadlineExceeded("late")])
async def test_a_call_that_began_is_not_begun_again(error: BackendError) -> None:
    good = Fake(sure(1))
    with pytest.raises(type(error)):
        await Rotation([Fake(error), good])(ones(), deadline_after(1))
    assert not good.calls


@pytest.mark.parametrize("turned", range(4))
async def test_when_all_are_passed_over_the_error_does_not_depend_on_whose_turn_it_is(turned: int) -> None:
    fakes = [Fake(error) for error in DEAD[turned:] + DEAD[:turned]]
    with pytest.raises(RateLimited):
        await Rotation(fakes)(ones(), deadline_after(1))
    assert [len(fake.calls) for fake in fakes] == [1, 1, 1, 1]


async def test_a_wrong_model_is_told_rather_than_one_that_is_not_known() -> None:
    with pytest.raises(SignatureMismatch):
        await Rotation([Fake(Unverified("")), Fake(SignatureMismatch(""))])(ones(), deadline_after(1))


async def test_cancelling_a_call_asks_nobody_else() -> None:
    slow, other = Fake(sure(1), delay=9), Fake(sure(1))
    task = asyncio.create_task(Rotation([slow, other])(ones(), deadline_after(20)))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (slow.cancelled, len(other.calls)) == (1, 0)


def test_there_must_be_an_address() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Rotation([])

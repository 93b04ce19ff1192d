import asyncio

import pytest

from backends.layers.rest import LONGEST, Rest
from models.deadline import deadline_after
from models.errors import Overloaded, RemoteOverloaded
from tests.fakes import Script, now, ones, sure


def refusal(after: float | None) -> RemoteOverloaded:
    return RemoteOverloaded("503", retry_after=after)


async def refused(rest: Rest) -> bool:
    """Whether a call is refused here."""
    try:
        await rest(ones(), deadline_after(1))
    except Overloaded:
        return True
    return False


async def test_whoever_asks_to_be_left_alone_is_for_so_long() -> None:
    inner = Script((0, lambda: refusal(2)), (0, sure(1)))
    rest = Rest(inner)
    with pytest.raises(RemoteOverloaded):
        await rest(ones(), deadline_after(1))
    assert await refused(rest)
    await asyncio.sleep(1.9)
    assert await refused(rest)
    await asyncio.sleep(0.1)
    assert not await refused(rest)
    assert inner.begun == [0, 2]


async def test_whoever_does_not_say_for_how_long_is_asked_again() -> None:
    rest = Rest(Script((0, lambda: refusal(None)), (0, sure(1))))
    with pytest.raises(RemoteOverloaded):
        await rest(ones(), deadline_after(1))
    assert not await refused(rest)


async def test_nobody_can_send_us_away_for_good() -> None:
    rest = Rest(Script((0, lambda: refusal(1e9)), (0, sure(1))))
    with pytest.raises(RemoteOverloaded):
        await rest(ones(), deadline_after(1))
    await asyncio.sleep(LONGEST)
    assert not await refused(rest)


async def test_a_shorter_wait_does_not_undo_a_longer_one() -> None:
    inner = Script((0, lambda: refusal(5)), (0.1, lambda: refusal(1)), (0, sure(1)))
    rest = Rest(inner)
    await asyncio.gather(*(rest(ones(), deadline_after(1)) for _ in range(2)), return_exceptions=True)
    await asyncio.sleep(4)
    assert await refused(rest)
    assert now() < 5

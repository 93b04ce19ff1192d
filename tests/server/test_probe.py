"""A look at one model, past its layers."""

import asyncio

import pytest

from models.deadline import deadline_after
from models.errors import DeadlineExceeded, Overloaded
from server.opening import ALONE, alone_of
from tests.fakes import Fake, now, ones, sure


async def test_a_look_ends_after_ten_seconds_whatever_it_asks_for() -> None:
    with pytest.raises(DeadlineExceeded):
        await alone_of(Fake(sure(1), delay=99))(ones(), deadline_after(60))
    assert now() == 10


async def test_only_two_look_at_once_and_who_comes_after_them_finds_room() -> None:
    alone = alone_of(Fake(sure(1), delay=1))
    looks = [asyncio.create_task(alone(ones(), deadline_after(5))) for _ in range(ALONE)]
    await asyncio.sleep(0.5)
    with pytest.raises(Overloaded):
        await alone(ones(), deadline_after(5))
    assert now() == 0.5
    await asyncio.gather(*looks)
    await alone(ones(), deadline_after(5))
    assert now() == 2

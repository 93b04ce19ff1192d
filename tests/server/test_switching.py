"""A front and its supervisor agree on what is switched."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from backends.drill import Drill
from backends.served import Served
from server.composition import Composition, Current
from server.peers import NOBODY, PATIENCE_SECONDS
from server.switchboard import Held, Order, Switchboard
from server.switching import Switching
from tests.fakes import Fake, now, serve, settle


class Supervised:
    """A front with a supervisor that answers after `delay`, or never."""

    def __init__(self, delay: float | None = 0.0) -> None:
        self.board = Switchboard()
        self.delay = delay
        self.served = {name: serve(name, Fake([0])) for name in ("a", "b")}
        self.switching = Switching(NOBODY, self._told)
        self.switching.hear(self.board.message())
        self.switching.attach(Current(Composition(self.served, "a", drills=True)))

    def _told(self, **message: Any) -> None:
        answer = self.board.turn(msgspec.convert(message, Order))
        if self.delay is not None:
            asyncio.get_running_loop().call_later(self.delay, self.switching.hear, answer)

    def enabled(self) -> list[str]:
        return [name for name, one in self.served.items() if one.state.enabled]

    def drilled(self) -> list[str]:
        return [name for name, one in self.served.items() if one.state.drill]


async def test_what_the_supervisor_says_holds() -> None:
    front = Supervised()
    assert await front.switching.switch("a", enabled=False) == []
    assert front.enabled() == ["b"]
    assert await front.switching.switch("b", enabled=False) == []
    assert await front.switching.switch("a", enabled=True) == []
    assert front.enabled() == ["a"]


async def test_a_front_that_starts_later_begins_with_what_holds() -> None:
    old = Supervised()
    await old.switching.switch("a", enabled=False)
    late = Supervised()
    late.switching.hear(old.board.message())
    assert late.enabled() == ["b"]


async def test_a_new_composition_begins_with_what_holds() -> None:
    front = Supervised()
    await front.switching.switch("a", enabled=False)
    fresh: dict[str, Served] = {"a": serve("a", Fake([0])), "c": serve("c", Fake([0]))}
    front.switching.apply(Composition(fresh, "a"))
    assert [one.state.enabled for one in fresh.values()] == [False, True]


def held(name: str, seconds: float = 60.0) -> Held:
    return Held(name, Drill(kind="stop"), time.monotonic() + seconds)


async def test_a_drill_holds_until_it_is_ended() -> None:
    front = Supervised()
    assert await front.switching.begin(held("a")) == []
    assert await front.switching.begin(held("b")) == []
    assert front.drilled() == ["a", "b"]
    assert await front.switching.end("a") == []
    assert front.drilled() == ["b"]
    assert await front.switching.end(None) == []
    assert front.drilled() == []


async def test_a_front_that_starts_later_holds_the_drills_that_are_on() -> None:
    old = Supervised()
    await old.switching.begin(held("a"))
    await old.switching.begin(held("b", seconds=-1.0))
    late = Supervised()
    late.switching.hear(old.board.message())
    assert late.drilled() == ["a"]


async def test_a_new_composition_holds_them_if_it_allows_them() -> None:
    front = Supervised()
    await front.switching.begin(held("a"))
    fresh = {"a": serve("a", Fake([0])), "c": serve("c", Fake([0]))}
    front.switching.apply(Composition(fresh, "a", drills=True))
    assert [one.state.drill is not None for one in fresh.values()] == [True, False]
    front.switching.apply(Composition(fresh, "a"))
    assert (fresh["a"].state.drill, front.switching.drills.remaining()) == (None, [])


async def test_a_supervisor_that_does_not_answer_is_missing() -> None:
    front = Supervised(delay=None)
    assert await front.switching.switch("a", enabled=False) == ["supervisor"]
    assert now() == pytest.approx(PATIENCE_SECONDS)


async def test_a_turn_is_waited_for() -> None:
    front = Supervised(delay=0.1)
    waiting = asyncio.create_task(front.switching.reached(1))
    await settle()
    assert not waiting.done()
    await front.switching.switch("a", enabled=False)
    assert await waiting == 1
    with pytest.raises(TimeoutError):
        await front.switching.reached(99)

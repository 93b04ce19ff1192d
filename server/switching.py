"""A front's side of what an operator switches: what the supervisor says, put into the composition."""

import asyncio
import itertools
import os
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from server.composition import Composition, Current
from server.drills import Drills
from server.peers import NOBODY, PATIENCE_SECONDS, Kind, Peers
from server.switchboard import Begin, End, Held, Order, Switch, Switchboard, Word

SUPERVISOR = "supervisor"


class Switching:
    """`tell` speaks to the supervisor, who answers to `hear`; `introduced` is set when that was for the first time."""

    def __init__(self, peers: Peers, tell: Callable[..., None]) -> None:
        self.introduced = asyncio.Event()
        self.drills = Drills(self._put)
        self._peers = peers
        self._tell = tell
        self._disabled: frozenset[str] = frozenset()
        self._held: list[Held] = []
        self._turn = -1
        self._news = asyncio.Event()
        self._current: Current | None = None
        self._asked: dict[str, asyncio.Future[int]] = {}
        self._count = itertools.count()

    def hear(self, message: dict[str, Any]) -> None:
        """The supervisor says who is out of the vote now, and which drills are on."""
        word = msgspec.convert(message, Word)
        self._disabled, self._held, self._turn = frozenset(word.disabled), word.drills, word.turn
        self._put()
        self.introduced.set()
        self._news.set()
        self._news = asyncio.Event()
        waiting = self._asked.get(word.asked)
        if waiting is not None and not waiting.done():
            waiting.set_result(self._turn)

    def attach(self, current: Current) -> None:
        """Keep whatever `current` holds as the supervisor says."""
        self._current = current
        self._put()

    def _put(self) -> None:
        if self._current is not None:
            self.apply(self._current.composition)

    def apply(self, composition: Composition) -> None:
        """Take out of the vote of `composition` who is to be out of it, and nobody else; likewise its drills."""
        self.drills.hear(self._held if composition.drills else ())
        for name, served in composition.served.items():
            served.state.enabled = name not in self._disabled
            served.state.drill = self.drills.at(name)

    async def switch(self, name: str, *, enabled: bool) -> list[str]:
        """Take `name` out of the vote of all fronts, or back; who has not said in time that it has done so."""
        return await self._order(Switch(name, enabled))

    async def begin(self, held: Held) -> list[str]:
        """Hold a drill in all fronts; who has not said in time that it does."""
        return await self._order(Begin(held))

    async def end(self, name: str | None) -> list[str]:
        """End the drill at `name` in all fronts, or all drills; who has not said in time that it has done so."""
        return await self._order(End(name))

    async def _order(self, order: Order) -> list[str]:
        asked = f"{os.getpid()}-{next(self._count)}"
        self._asked[asked] = answer = asyncio.get_running_loop().create_future()
        self._tell(**msgspec.to_builtins(msgspec.structs.replace(order, asked=asked)))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                turn = await answer
        except TimeoutError:
            return [SUPERVISOR, *self._peers.names]
        finally:
            del self._asked[asked]
        return (await self._peers.ask(Kind.TURN, turn, int)).missing

    async def reached(self, turn: int) -> int:
        """Wait until the supervisor's word of that `turn` has come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._turn < turn:
                await self._news.wait()
        return self._turn


def switching_alone() -> Switching:
    """Of a front that has no supervisor: what it tells comes back at once."""
    board = Switchboard()

    def tell(**message: Any) -> None:
        switching.hear(board.turn(msgspec.convert(message, Order)))

    switching = Switching(NOBODY, tell)
    switching.hear(board.message())
    return switching


SWITCHING: web.AppKey[Switching] = web.AppKey("switching", Switching)

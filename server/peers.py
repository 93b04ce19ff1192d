"""The fronts of one server, asking each other for what only all of them know together.

Each listens on a private socket. `PATIENCE_SECONDS` are all that an answer may take; who gives none by then is named.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from aiohttp import web

from backends.channel import Buffer, Channel, answering
from models.deadline import Deadline, deadline_after
from models.errors import ChorusError, InvalidRequest
from server.folder import listening_at
from server.plan import Plan

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 0.2

T = TypeVar("T")
Answer = Callable[[Any], Awaitable[object]]
"""From a question to its answer, both of what msgspec knows."""


class Kind(IntEnum):
    """What a front can be asked."""

    ABOUT = 1
    BACKENDS = 2
    METRICS = 3
    REQUESTS = 4
    REQUEST = 5
    TURN = 6
    LOAD = 7


class Heard(NamedTuple, Generic[T]):
    """What fronts said, and the names of those who said nothing in time."""

    said: list[T]
    missing: list[str]


class Peers:
    """The other fronts: their channels, by their names."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self.names = list(channels)
        self._channels = channels

    async def ask(self, kind: Kind, question: object, shape: type[T]) -> Heard[T]:
        """The same question to all of them at once; their answers are of `shape`."""
        if not self._channels:
            return Heard([], [])
        payload, deadline = msgspec.msgpack.encode(question), deadline_after(PATIENCE_SECONDS)
        said = await asyncio.gather(*(_ask(one, kind, payload, deadline) for one in self._channels.values()))
        given = {name: raw for name, raw in zip(self.names, said, strict=True) if raw is not None}
        decoder = msgspec.msgpack.Decoder(shape)
        return Heard(list(map(decoder.decode, given.values())), [name for name in self.names if name not in given])

    def close(self) -> None:
        """Ask nobody any more."""
        for channel in self._channels.values():
            channel.close()


async def _ask(channel: Channel, kind: Kind, payload: bytes, deadline: Deadline) -> memoryview | None:
    try:
        async with asyncio.timeout_at(deadline):
            return await channel.call(kind, (payload,), deadline)
    except (ChorusError, TimeoutError):
        return None


NOBODY = Peers({})
PEERS: web.AppKey[Peers] = web.AppKey("peers", Peers)


def peers_of(plan: Plan, index: int) -> Peers:
    """The fronts of `plan` but the one number `index`."""
    others = [other for other in range(plan.config.server.fronts) if other != index]
    return Peers({plan.front_name(other): Channel(str(plan.front_path(other, "sock"))) for other in others})


@asynccontextmanager
async def answering_peers(plan: Plan, index: int, answers: Mapping[Kind, Answer]) -> AsyncIterator[None]:
    """Answer what the other fronts ask the one number `index`; where there are none, do nothing."""
    if plan.config.server.fronts == 1:
        yield
        return

    async def answer(kind: int, payload: memoryview, deadline: Deadline) -> Sequence[Buffer]:
        if kind not in answers:
            raise InvalidRequest(f"no question of kind {kind}")
        said = await answers[Kind(kind)](msgspec.msgpack.decode(payload))
        return (said if isinstance(said, bytes) else msgspec.msgpack.encode(said),)

    with listening_at(str(plan.front_path(index, "sock"))) as listening:
        async with answering(listening, answer, drain=PATIENCE_SECONDS):
            yield

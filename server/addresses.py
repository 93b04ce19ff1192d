"""Opens the addresses of a remote model: for each its connections, its verification and its rate limit."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import aiohttp

from backends.base import Backend, Layer, stack
from backends.layers.gate import Gate
from backends.layers.throttle import Throttle
from backends.layers.timeout import Timeout
from backends.layers.verified import Verified
from backends.oip import Oip
from backends.rotation import Rotation
from backends.served import Phase, State
from models.types import Signature
from server.settings import RemoteSettings
from server.targets import target
from server.verification import verifying

Connect = Callable[..., aiohttp.ClientSession]
"""A session on a connector, with traces."""

BEST: tuple[Phase, ...] = ("ready", "misfit", "unverified")
"""What is said of several addresses: that one may be asked, else that one is wrong, which needs someone's attention."""


async def open_addresses(
    opened: AsyncExitStack, settings: RemoteSettings, signature: Signature, state: State, connect: Connect
) -> Rotation:
    """All addresses of a model as one backend; `state` is that of all of them together."""
    states = [State(phase="unverified") for _ in settings.urls]
    places = asyncio.Semaphore(settings.limit)
    changed = partial(_sum_up, state, states)
    return Rotation(
        [
            await _open(opened, settings, signature, url, own, changed, places, connect)
            for url, own in zip(settings.urls, states, strict=True)
        ]
    )


def _sum_up(state: State, states: Sequence[State]) -> None:
    phases = {own.phase for own in states}
    state.phase = next(phase for phase in BEST if phase in phases)


async def _open(
    opened: AsyncExitStack,
    settings: RemoteSettings,
    signature: Signature,
    url: str,
    state: State,
    changed: Callable[[], None],
    places: asyncio.Semaphore,
    connect: Connect,
) -> Backend:
    there = target(settings, signature, url)
    aside = await opened.enter_async_context(connect(aiohttp.TCPConnector(limit=1)))
    about = there.url.removesuffix("/infer")
    verification = await opened.enter_async_context(verifying(aside, about, there, state, changed))
    connector = aiohttp.TCPConnector(limit=settings.limit)
    session = await opened.enter_async_context(connect(connector, [verification.trace()]))
    seconds = None if settings.timeout_ms is None else settings.timeout_ms / 1e3
    layers: list[Layer] = [
        partial(Gate, state=state),
        *_throttle(settings, places),
        partial(Timeout, seconds=seconds),
        partial(Verified, knowledge=verification),
    ]
    return stack(Oip(session, there, temperature=settings.temperature), *layers)


def _throttle(settings: RemoteSettings, places: asyncio.Semaphore) -> list[Layer]:
    if settings.throttle is None:
        return []
    line = settings.limit + settings.queue
    limits = settings.throttle
    return [partial(Throttle, rate=limits.rate, period=limits.period_s, waiting=line, places=places)]

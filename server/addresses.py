"""Opens the addresses of a remote model: for each its connections, its verification and its rate limit."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

from backends.base import Layer, stack
from backends.circuit import Circuit
from backends.layers.gate import Gate
from backends.layers.rest import Rest
from backends.layers.throttle import Throttle
from backends.layers.verified import Verified
from backends.oip import Oip, noticing
from backends.replica import Replica
from backends.served import Phase, State
from backends.vitals import Vitals
from models.types import Signature
from server.layering import Spare, guarded, spare_beside
from server.resolver import Resolver
from server.sessions import connector_to, session_on
from server.settings import RemoteSettings
from server.targets import target
from server.threads import thread_for
from server.verification import verifying

BEST: tuple[Phase, ...] = ("ready", "misfit", "unverified")
"""What is said of several addresses: that one may be asked, else that one is wrong, which needs someone's attention."""


async def open_addresses(
    opened: AsyncExitStack,
    settings: RemoteSettings,
    signature: Signature,
    state: State,
    vitals: Vitals,
    spare: Spare,
    drilling: Sequence[Layer] = (),
) -> list[Replica]:
    """All addresses of a model; `state` is that of all of them together. `drilling` stands next to each."""
    states = [State(phase="unverified") for _ in settings.urls]
    places = asyncio.Semaphore(settings.limit)
    changed = partial(_sum_up, state, states)
    replicas: list[Replica] = []
    for index, (url, own) in enumerate(zip(settings.urls, states, strict=True)):
        circuit = Circuit(url)
        judged = guarded(
            settings,
            vitals,
            own,
            circuit,
            spare_beside(replicas, index, spare),  # the list is whole before anyone asks
            between=[Rest, *_throttle(settings, places)],
        )
        layers: list[Layer] = [partial(Gate, state=own), *judged, *drilling]
        inner = await _open(opened, settings, signature, url, own, changed, vitals)
        replicas.append(Replica(url, stack(inner, *layers), own, circuit))
    return replicas


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
    vitals: Vitals,
) -> Verified:
    there = target(settings, signature, url)
    resolver = Resolver(opened.enter_context(thread_for(url)))
    aside = await opened.enter_async_context(session_on(connector_to(resolver, 1)))
    about = there.url.removesuffix("/infer")
    verification = await opened.enter_async_context(verifying(aside, about, there, state, changed))
    traces = [noticing(verification.trace())]
    session = await opened.enter_async_context(session_on(connector_to(resolver, settings.limit), traces))
    may_resend = partial(_resends, vitals) if settings.idempotent else None
    oip = Oip(session, there, temperature=settings.temperature, may_resend=may_resend)
    return Verified(oip, knowledge=verification)


def _resends(vitals: Vitals) -> bool:
    """Whether a request is sent again; it costs a second try, for a server that closes connections is no outage yet."""
    paid = vitals.budget.pay(time.perf_counter())
    if paid:
        vitals.statistics.count_resend()
    return paid


def _throttle(settings: RemoteSettings, places: asyncio.Semaphore) -> list[Layer]:
    if settings.throttle is None:
        return []
    line = settings.limit + settings.queue
    limits = settings.throttle
    return [partial(Throttle, rate=limits.rate, period=limits.period_s, waiting=line, places=places)]

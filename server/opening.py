"""Opens what stands behind one backend: a model in this process, a worker's socket, an address elsewhere."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import msgspec

from backends.base import Backend, Layer, stack
from backends.bound import Bound
from backends.channel import Channel
from backends.circuit import Circuit
from backends.latency import DEFAULT_TIMEOUT
from backends.layers.attempt import Attempt
from backends.layers.gate import Gate
from backends.layers.limit import Limit
from backends.layers.replicas import Replicas
from backends.layers.timeout import Timeout
from backends.replica import Replica
from backends.served import Served, State
from backends.statistics import Statistics
from backends.vitals import Vitals
from backends.worker import Worker
from models.registry import Version
from models.types import Signature
from server.addresses import open_addresses
from server.layering import Spare, drilled, guarded, layered, replicated, spare_beside, vitals_of
from server.loading import local_of, read_model
from server.settings import BackendSettings, LocalSettings, PythonSettings, RemoteSettings
from server.signatures import declared
from server.states import WorkerStates
from server.threads import thread_for

ALONE = 2  # calls at once to one backend past its layers
ALONE_SECONDS = 10.0


async def open_local(
    opened: AsyncExitStack,
    name: str,
    settings: LocalSettings | PythonSettings,
    version: Version,
    *,
    counted: Statistics | None = None,
    drills: bool = False,
) -> Served:
    """A model in this process, with a thread of its own, in which it is read, too: other requests go on meanwhile."""
    executor = opened.enter_context(thread_for(name))
    model = await asyncio.get_running_loop().run_in_executor(executor, read_model, name, settings, version)
    local = local_of(model, executor, settings)
    vitals, state = vitals_of(settings, counted), State()
    drilling = drilled(drills, state, version.manifest.signature, vitals, seconds=settings.timeout)
    inner = stack(local, *drilling)
    attempt = Attempt(inner, latency=vitals.latency, statistics=vitals.statistics)  # it keeps its time itself
    served = _of_version(name, attempt, settings, vitals, version, state)
    return replace(served, alone=alone_of(local), prompt=not settings.coalesce)


def open_workers(
    opened: AsyncExitStack,
    name: str,
    settings: LocalSettings | PythonSettings,
    version: Version,
    channels: Sequence[Channel],
    states: WorkerStates,
    spare: Spare = lambda: True,
    *,
    counted: Statistics | None = None,
    drills: bool = False,
) -> Served:
    """A model in the workers at the other ends of `channels`."""
    vitals, signature = vitals_of(settings, counted), version.manifest.signature
    drilling = drilled(drills, states.whole, signature, vitals)
    replicas: list[Replica] = []
    workers: list[Replica] = []  # the same, past what keeps count
    for index, (channel, state) in enumerate(zip(channels, states.each, strict=True)):
        opened.callback(channel.close)
        place = name if len(channels) == 1 else f"{name} {index + 1}"
        worker, circuit = Worker(channel, signature), Circuit(place)
        layers = guarded(settings, vitals, state, circuit, spare_beside(replicas, index, spare))
        if len(channels) > 1:  # else the gate around all of them is this one's
            layers.insert(0, partial(Gate, state=state))
        replicas.append(Replica(place, stack(worker, *layers, *drilling), state, circuit))
        workers.append(Replica(place, worker, state))
    idempotent = isinstance(settings, LocalSettings) or settings.idempotent
    backend = replicated(replicas, settings, vitals, idempotent=idempotent)
    served = _of_version(name, backend, settings, vitals, version, states.whole)
    retries = settings.retry and idempotent
    return replace(served, alone=alone_of(Replicas(workers)), replicas=tuple(replicas), retries=retries)


async def open_remote(
    opened: AsyncExitStack,
    name: str,
    settings: RemoteSettings,
    spare: Spare = lambda: True,
    *,
    counted: Statistics | None = None,
    drills: bool = False,
) -> Served:
    """A model behind one or several addresses; none is asked before its metadata has been read and fits.

    `timeout_ms` bounds each try, within the addresses. With a rate limit the line is in there, too, where it is known
    when a turn will come. A look past the layers is not past that limit.
    """
    signature = declared(settings)
    assert signature is not None  # noqa: S101 - which the configuration has made sure of
    state = State(phase="unverified")
    outer = settings
    if settings.throttle is not None:
        outer = msgspec.structs.replace(settings, limit=settings.limit + settings.queue, queue=0)
    vitals = vitals_of(outer, counted)
    drilling = drilled(drills, state, signature, vitals)
    replicas = await open_addresses(opened, settings, signature, state, vitals, spare, drilling)
    backend = replicated(replicas, settings, vitals, idempotent=settings.idempotent)
    served = _served(name, backend, outer, vitals, signature, "", "remote", (), state)
    retries = settings.retry and settings.idempotent
    return replace(served, alone=alone_of(Replicas(replicas)), replicas=tuple(replicas), retries=retries)


def _of_version(
    name: str, backend: Backend, settings: BackendSettings, vitals: Vitals, version: Version, state: State
) -> Served:
    manifest = version.manifest
    examples = tuple(map(tuple, manifest.examples))
    return _served(
        name, backend, settings, vitals, manifest.signature, version.version, manifest.runtime, examples, state
    )


def _served(
    name: str,
    backend: Backend,
    settings: BackendSettings,
    vitals: Vitals,
    signature: Signature,
    version: str,
    runtime: str,
    examples: tuple[tuple[object, ...], ...],
    state: State,
) -> Served:
    return Served(
        name,
        layered(backend, settings, vitals, state, name, version),
        signature,
        version,
        DEFAULT_TIMEOUT if settings.timeout is None else settings.timeout,
        runtime,
        examples=examples,
        state=state,
        statistics=vitals.statistics,
        batched=vitals.statistics.batching is not None,
        vitals=vitals,
    )


def alone_of(backend: Backend) -> Backend:
    """`backend` for whoever looks into it: past its layers, under a bound of its own."""
    bounds: list[Layer] = [
        partial(Limit, bound=Bound(ALONE), waiting=0),
        partial(Timeout, seconds=ALONE_SECONDS),
    ]
    return stack(backend, *bounds)

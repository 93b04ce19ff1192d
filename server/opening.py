"""Opens what stands behind one backend: a model in this process, a worker's socket, an address elsewhere."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import aiohttp
import msgspec

from backends.base import Backend, Layer, stack
from backends.channel import Channel
from backends.layers.batch import Batch
from backends.layers.gate import Gate
from backends.layers.limit import Limit
from backends.layers.observe import Observe
from backends.layers.timeout import Timeout
from backends.local import Local
from backends.served import Served, State
from backends.statistics import Statistics
from backends.worker import Worker
from models.registry import Version
from models.types import Signature
from server.addresses import open_addresses
from server.loading import loaded
from server.settings import BackendSettings, LocalSettings, PythonSettings, RemoteSettings, rows_per_batch
from server.signatures import declared

CONNECT_SECONDS = 0.25
ALONE = 2  # calls at once to one backend past its layers
ALONE_SECONDS = 10.0
DEFAULT_TIMEOUT = 1.0  # seconds, of a backend that is asked by its own name


async def open_local(
    opened: AsyncExitStack, name: str, settings: LocalSettings | PythonSettings, version: Version
) -> Served:
    """A model in this process, with a thread of its own."""
    local = opened.enter_context(loaded(name, settings, version))
    return replace(_of_version(name, local, settings, version, State()), alone=alone_of(local))


def open_worker(
    opened: AsyncExitStack,
    name: str,
    settings: LocalSettings | PythonSettings,
    version: Version,
    channel: Channel,
    state: State,
) -> Served:
    """A model in the worker at the other end of `channel`."""
    opened.callback(channel.close)
    worker = Worker(channel, version.manifest.signature)
    return replace(_of_version(name, worker, settings, version, state), alone=alone_of(worker))


async def open_remote(opened: AsyncExitStack, name: str, settings: RemoteSettings) -> Served:
    """A model behind one or several addresses; none is asked before its metadata has been read and fits.

    `timeout_ms` bounds each try, within the addresses. With a rate limit the line is in there, too, where it is known
    when a turn will come. A look past the layers is not past that limit.
    """
    signature = declared(settings)
    assert signature is not None  # noqa: S101 - which the configuration has made sure of
    state = State(phase="unverified")
    backend = await open_addresses(opened, settings, signature, state, _session)
    outer = msgspec.structs.replace(settings, timeout_ms=None)
    if settings.throttle is not None:
        outer = msgspec.structs.replace(outer, limit=settings.limit + settings.queue, queue=0)
    served = _layered(name, backend, outer, signature, "", "remote", (), state)
    timeout = DEFAULT_TIMEOUT if settings.timeout_ms is None else settings.timeout_ms / 1e3
    return replace(served, alone=alone_of(backend), timeout=timeout)


def _of_version(name: str, backend: Backend, settings: BackendSettings, version: Version, state: State) -> Served:
    manifest = version.manifest
    examples = tuple(map(tuple, manifest.examples))
    return _layered(name, backend, settings, manifest.signature, version.version, manifest.runtime, examples, state)


def _layered(
    name: str,
    backend: Backend,
    settings: BackendSettings,
    signature: Signature,
    version: str,
    runtime: str,
    examples: tuple[tuple[object, ...], ...],
    state: State,
) -> Served:
    statistics = Statistics()
    timeout = None if settings.timeout_ms is None else settings.timeout_ms / 1e3
    layers: list[Layer] = [
        partial(Observe, statistics=statistics),
        partial(Gate, state=state),
        partial(Limit, concurrency=settings.limit, waiting=settings.queue, statistics=statistics),
    ]
    max_rows = rows_per_batch(settings.batch, isinstance(settings, LocalSettings))
    if max_rows is not None:
        layers.append(partial(Batch, max_rows=max_rows, statistics=statistics))
    prompt = isinstance(backend, Local)  # which keeps its time itself
    if not prompt:
        layers.append(partial(Timeout, seconds=timeout))
    return Served(
        name,
        stack(backend, *layers),
        signature,
        version,
        timeout or DEFAULT_TIMEOUT,
        runtime,
        examples=examples,
        state=state,
        statistics=statistics,
        batched=max_rows is not None,
        prompt=prompt,
    )


def alone_of(backend: Backend) -> Backend:
    """`backend` for whoever looks into it: past its layers, under a bound of its own."""
    bounds: list[Layer] = [
        partial(Limit, concurrency=ALONE, waiting=0),
        partial(Timeout, seconds=ALONE_SECONDS),
    ]
    return stack(backend, *bounds)


def _session(connector: aiohttp.BaseConnector, traces: Sequence[aiohttp.TraceConfig] = ()) -> aiohttp.ClientSession:
    """A client of one server: its own connections, and nothing that HTTP could add."""
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        auto_decompress=False,
        trace_configs=list(traces),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
    )

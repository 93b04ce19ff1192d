"""Opens what stands behind one backend: a model in this process, a worker's socket, an address elsewhere."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import partial

import aiohttp
import msgspec

from backends.base import Backend, Layer, stack
from backends.layers.batch import Batch
from backends.layers.gate import Gate
from backends.layers.limit import Limit
from backends.layers.observe import Observe
from backends.layers.timeout import Timeout
from backends.local import Local
from backends.oip import Oip, absolute, remote
from backends.served import Served, State
from backends.statistics import Statistics
from models.registry import Version
from models.rows import inputs_of
from models.runtimes import Model, load
from models.types import Signature
from server.addresses import open_addresses
from server.functions import load_function
from server.settings import BackendSettings, LocalSettings, PythonSettings, RemoteSettings, rows_per_batch
from server.signatures import declared

CONNECT_SECONDS = 0.25
ALONE = 2  # calls at once to one backend past its layers
ALONE_SECONDS = 10.0
TIMED = "/timed"  # after a worker's infer route: the same, and the answer says how long each stage took
DEFAULT_TIMEOUT = 1.0  # seconds, of a backend that is asked by its own name


async def open_local(
    opened: AsyncExitStack, name: str, settings: LocalSettings | PythonSettings, version: Version
) -> Served:
    """A model in this process, with a thread of its own."""
    if isinstance(settings, PythonSettings):
        model = load_function(name, settings, version)
    else:
        model = load(version.folder, version.manifest, settings.threads)
    warm_up(model, version)
    executor = opened.enter_context(_thread_for(name))
    local = Local(model, executor)
    return replace(_of_version(name, local, settings, version, State()), alone=alone_of(local))


async def open_worker(
    opened: AsyncExitStack,
    name: str,
    settings: LocalSettings | PythonSettings,
    version: Version,
    path: str,
    state: State,
) -> Served:
    """A model in a worker that listens at `path`."""
    connector = aiohttp.UnixConnector(path, limit=settings.limit, keepalive_timeout=3600)
    session = await opened.enter_async_context(_session(connector))
    target = remote("http://worker", name, version.manifest.signature, version=version.version)
    served = _of_version(name, Oip(session, target, deadline_header=absolute), settings, version, state)
    aside = await opened.enter_async_context(_session(aiohttp.UnixConnector(path, limit=ALONE)))
    timed = Oip(aside, replace(target, url=target.url + TIMED), deadline_header=absolute)
    return replace(served, alone=alone_of(timed))


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
    )


def alone_of(backend: Backend) -> Backend:
    """`backend` for whoever looks into it: past its layers, on connections and under a bound of its own."""
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


@contextmanager
def _thread_for(name: str) -> Iterator[ThreadPoolExecutor]:
    """One thread, which is not waited for in the end: a model under way would hold up the stop."""
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def warm_up(model: Model, version: Version) -> None:
    """Run the examples: the first call is slow, and a model that cannot run should say so before it is asked."""
    if version.manifest.examples:
        model(inputs_of(version.manifest.examples, version.manifest.signature.inputs))

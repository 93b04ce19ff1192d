"""Opens what stands behind one backend: a model in this process, a worker's socket, an address elsewhere."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import aiohttp
import numpy as np

from backends.base import Backend, Layer, stack
from backends.layers.gate import Gate
from backends.layers.limit import Limit
from backends.layers.observe import Observe
from backends.layers.timeout import Timeout
from backends.local import Local
from backends.oip import Oip, Remote, absolute, remote
from backends.served import Served, State
from backends.statistics import Statistics
from models.registry import Version
from models.runtimes import Model, load
from models.types import Signature, TensorSpec, classifier, regressor
from server.settings import BackendSettings, LocalSettings, RemoteSettings
from server.verification import verifying

CONNECT_SECONDS = 0.25
DEFAULT_TIMEOUT = 1.0  # seconds, of a backend that is asked by its own name


async def open_local(opened: AsyncExitStack, name: str, settings: LocalSettings, version: Version) -> Served:
    """A model in this process, with a thread of its own."""
    model = load(version.folder, version.manifest, settings.threads)
    warm_up(model, version)
    executor = opened.enter_context(_thread_for(name))
    return _of_version(name, Local(model, executor), settings, version, State())


async def open_worker(
    opened: AsyncExitStack, name: str, settings: LocalSettings, version: Version, path: str, state: State
) -> Served:
    """A model in a worker that listens at `path`."""
    connector = aiohttp.UnixConnector(path, limit=settings.limit, keepalive_timeout=3600)
    session = await opened.enter_async_context(_session(connector))
    target = remote("http://worker", name, version.manifest.signature, version=version.version)
    return _of_version(name, Oip(session, target, deadline_header=absolute), settings, version, state)


async def open_remote(opened: AsyncExitStack, name: str, settings: RemoteSettings) -> Served:
    """A model behind an address; it is not asked before its metadata has been read and fits."""
    session = await opened.enter_async_context(_session(aiohttp.TCPConnector(limit=settings.limit)))
    spec = TensorSpec(settings.input, "FP32", (-1, len(settings.features)), settings.features)
    signature = classifier((spec,), settings.labels) if settings.labels else regressor((spec,))
    base = settings.url.rstrip("/")
    target = Remote(f"{base}/v2/models/{settings.model}/infer", settings.model, signature, (spec,), settings.output)
    state = State(phase="unverified")
    await opened.enter_async_context(verifying(session, f"{base}/v2/models/{settings.model}", target, state))
    backend = Oip(session, target, temperature=settings.temperature)
    return _layered(name, backend, settings, signature, "", "remote", None, state)


def _of_version(name: str, backend: Backend, settings: LocalSettings, version: Version, state: State) -> Served:
    manifest = version.manifest
    example = tuple(manifest.examples[0]) if manifest.examples else None
    return _layered(name, backend, settings, manifest.signature, version.version, manifest.runtime, example, state)


def _layered(
    name: str,
    backend: Backend,
    settings: BackendSettings,
    signature: Signature,
    version: str,
    runtime: str,
    example: tuple[float, ...] | None,
    state: State,
) -> Served:
    statistics = Statistics()
    timeout = None if settings.timeout_ms is None else settings.timeout_ms / 1e3
    layers: list[Layer] = [
        partial(Observe, statistics=statistics),
        partial(Gate, state=state),
        partial(Limit, concurrency=settings.limit, waiting=settings.queue),
        partial(Timeout, seconds=timeout),
    ]
    return Served(
        name,
        stack(backend, *layers),
        signature,
        version,
        timeout or DEFAULT_TIMEOUT,
        runtime,
        example=example,
        state=state,
        statistics=statistics,
    )


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """A client of one server: its own connections, and nothing that HTTP could add."""
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        auto_decompress=False,
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
    rows = np.array(version.manifest.examples, dtype=object)
    if not len(rows):
        return
    inputs, start = {}, 0
    for spec in version.manifest.signature.inputs:
        inputs[spec.name] = rows[:, start : start + spec.shape[1]].astype(spec.dtype)
        start += spec.shape[1]
    model(inputs)

"""What the configuration allows the whole server, shared among its fronts."""

import msgspec

from server.plan import Plan
from server.settings import CacheSettings, LocalSettings, PythonSettings, RemoteSettings

Backend = LocalSettings | PythonSettings | RemoteSettings


def share_of(plan: Plan, index: int) -> Plan:
    """`plan` as the front number `index` keeps to it, so that all fronts together keep to the configuration."""
    fronts = plan.config.server.fronts
    if fronts == 1:
        return plan
    backends = {name: _share(backend, fronts, index) for name, backend in plan.config.backends.items()}
    return msgspec.structs.replace(plan, config=msgspec.structs.replace(plan.config, backends=backends))


def part(total: int, fronts: int, index: int) -> int:
    """The parts differ by one at most, and add up to `total`."""
    return total // fronts + (index < total % fronts)


def _share(backend: Backend, fronts: int, index: int) -> Backend:
    limit, queue = max(1, part(backend.limit, fronts, index)), part(backend.queue, fronts, index)
    backend = msgspec.structs.replace(backend, limit=limit, queue=queue, cache=_cache(backend, fronts, index))
    if isinstance(backend, RemoteSettings) and backend.throttle is not None:
        rate = part(backend.throttle.rate, fronts, index)
        throttle = msgspec.structs.replace(backend.throttle, rate=rate)
        backend = msgspec.structs.replace(backend, throttle=throttle)
    return backend


def _cache(backend: Backend, fronts: int, index: int) -> bool | CacheSettings:
    """Each front keeps answers of its own."""
    kept = backend.kept
    if kept is None:
        return False
    entries, most = (max(1, part(total, fronts, index)) for total in (kept.entries, kept.max_bytes))
    return msgspec.structs.replace(kept, entries=entries, max_bytes=most)

"""What must fit together in `[backends.NAME]` about calls that are made twice, or not at all."""

from collections.abc import Iterator, Mapping

from server.settings import LocalSettings, PythonSettings, RemoteSettings
from server.tables import Mistake, shown_key

Settings = LocalSettings | PythonSettings | RemoteSettings


def mistakes_of_repetition(backends: Mapping[str, Settings]) -> Iterator[Mistake]:
    """What does not."""
    for name, backend in backends.items():
        yield from _of_backend(f"backends.{shown_key(name)}", backend)


def _of_backend(table: str, backend: Settings) -> Iterator[Mistake]:
    if not isinstance(backend, RemoteSettings) and backend.inline and backend.processes > 1:
        yield Mistake(table, "processes", "not with inline = true: there is one process, which is the server's own")
    if backend.hedge and _replicas(backend) < 2:
        elsewhere = "several addresses" if isinstance(backend, RemoteSettings) else "processes = 2"
        yield Mistake(table, "hedge", f"there is no other replica to ask; it takes {elsewhere}")
    if isinstance(backend, LocalSettings):
        return
    if backend.hedge and backend.cost > 0:
        yield Mistake(table, "hedge", "not with a cost: most of its calls would not have been needed")
    if not backend.idempotent:
        for key in ("hedge", "cache", "coalesce", "batch"):
            if getattr(backend, key):
                yield Mistake(table, key, "not with idempotent = false: each call is to be made just once")


def _replicas(backend: Settings) -> int:
    """How many there are."""
    if isinstance(backend, RemoteSettings):
        return len(backend.urls)
    return 1 if backend.inline else backend.processes

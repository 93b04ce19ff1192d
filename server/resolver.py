"""Names become addresses in a thread of their own, and what is known is not forgotten when names cannot be read.

asyncio looks names up in the threads that everyone shares (six of them, on two cores): a few lookups that hang, and
nobody connects to anything any more, were it only to `localhost`.
"""

import asyncio
import socket
from concurrent.futures import Executor

from aiohttp.abc import AbstractResolver, ResolveResult

FRESH_SECONDS = 10.0
PATIENCE_SECONDS = 0.1  # for fresher addresses, where older ones are known

Key = tuple[str, int, socket.AddressFamily]


class Resolver(AbstractResolver):
    """Look names up in `executor`, which should be for one server alone.

    What is older than `FRESH_SECONDS` is looked up anew, but given all the same if that takes long. Of several
    addresses each is the first in turn.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._known: dict[Key, tuple[float, list[ResolveResult]]] = {}
        self._lookups: dict[Key, asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`.

        Raises:
            OSError: there are none.
        """
        key = (host, port, family)
        if key not in self._known:
            lookup = self._look_up(key)
            await asyncio.wait([lookup])  # who waits may be cancelled; the others still want to know
            lookup.result()
        elif self._is_old(key) and key not in self._lookups:
            await asyncio.wait([self._look_up(key)], timeout=PATIENCE_SECONDS)
        _, addresses = self._known[key]
        addresses.append(addresses.pop(0))
        return list(addresses)

    def _is_old(self, key: Key) -> bool:
        found_at, _ = self._known[key]
        return asyncio.get_running_loop().time() >= found_at + FRESH_SECONDS

    def _look_up(self, key: Key) -> asyncio.Future[list[ResolveResult]]:
        """A lookup, the one under way if there is one."""
        if key not in self._lookups:
            lookup = asyncio.get_running_loop().run_in_executor(self._executor, _addresses, *key)
            lookup.add_done_callback(lambda found: self._learn(key, found))
            self._lookups[key] = lookup
        return self._lookups[key]

    def _learn(self, key: Key, lookup: asyncio.Future[list[ResolveResult]]) -> None:
        del self._lookups[key]
        if not lookup.cancelled() and lookup.exception() is None:
            self._known[key] = (asyncio.get_running_loop().time(), lookup.result())

    async def close(self) -> None:
        """The executor is closed by whoever opened it."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    return [
        ResolveResult(
            hostname=host,
            host=socket.getnameinfo(address, numeric)[0],  # with its scope, where it has one
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]

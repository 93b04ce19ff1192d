"""Servers of models that can be made to fail, each behind a proxy: the members of an ensemble that are far away."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.chorus import ensemble
from tests.chaos.proxy import Proxy, Seen
from tests.chaos.tables import DEADLINE_MS, far
from tests.there import There, server

ROW = ((1.0, 1.0),)  # what they are asked with
FIVE = ("a", "b", "c", "d", "e")
INFER = "/infer"  # how the paths of calls end; others ask for metadata


@dataclass(frozen=True, slots=True)
class Remotes:
    """By the name of each: the server, and the way to it."""

    servers: dict[str, There]
    ways: dict[str, Proxy]

    def tables(self, backend: str = "", **settings: object) -> str:
        """A backend for each, with the keys `backend` as TOML has them, and one ensemble of them with `settings`."""
        tables = "".join(far(name, way.url) + backend + "\n" for name, way in self.ways.items())
        return tables + ensemble(self.ways, "all", **{"rule": '"soft"', "timeout_ms": DEADLINE_MS, **settings})

    def calls(self, name: str) -> dict[str, Seen]:
        """What came on the way to it of calls, by the id of the request; of several the last."""
        return {one.id: one for one in self.ways[name].seen if one.id}


@asynccontextmanager
async def remotes(names: Iterable[str] = FIVE) -> AsyncIterator[Remotes]:
    """As many as there are names."""
    async with AsyncExitStack() as opened:
        servers = {name: await opened.enter_async_context(server()) for name in names}
        ways = {name: await opened.enter_async_context(Proxy(one.address)) for name, one in servers.items()}
        yield Remotes(servers, ways)

"""What goes on in a server while something is done to it: its memory, and how soon its event loop turns."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from server.bench.load import Load
from server.bench.measured import Measured
from tests.chaos.site import Site, resident_mb

LOOK_S = 0.05
LOOKS_A_SECOND = 50


@dataclass(slots=True)
class Watched:
    """`grown_mb`: how much more memory the front had at most than in the beginning; `alive`: answers of /livez.

    These wait for the event loop of the scenario, too, which has the load and the servers far away: `alive.lag` says
    how late that was. `lag_ms`: how late the server's own was at most, as it says itself, since its start.
    """

    grown_mb: float
    alive: Measured
    lag_ms: float = 0.0


@asynccontextmanager
async def watching(site: Site) -> AsyncIterator[Watched]:
    """Watch the only front, and its event loop, by what a request that needs nothing has to wait."""
    (front,) = await site.fronts()
    before = resident_mb(front)
    request = f"GET /livez HTTP/1.1\r\nHost: {site.target.host}:{site.target.port}\r\n\r\n".encode()
    async with site.under(LOOKS_A_SECOND, Load(site.target, (request,))) as alive:
        watched = Watched(0.0, alive)

        async def look() -> None:
            while True:
                watched.grown_mb = max(watched.grown_mb, resident_mb(front) - before)
                await asyncio.sleep(LOOK_S)

        looking = asyncio.create_task(look())
        try:
            yield watched
            watched.lag_ms = (await site.load_of_front())["loop_lag_ms"]["longest"]
        finally:
            looking.cancel()

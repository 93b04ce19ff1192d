"""A real `chorus serve` that a scenario does things to, and the load on it: the open loop of `chorus bench`."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from benchmarks import proc
from server.bench.answers import read_v1
from server.bench.arrivals import constant
from server.bench.load import Load
from server.bench.measured import Measured
from server.bench.open_loop import open_loop
from server.bench.target import Target
from tests.chaos.runs import Recorded
from tests.running import PATIENCE, Running

LOOK_S = 0.02
FOR_EVER_S = 1e6


class Site:
    """The server, and rows to ask its models with."""

    def __init__(self, server: Running, rows: Sequence[Sequence[float]]) -> None:
        self.server = server
        self.rows = rows
        self.target = Target.at(server.origin)

    def body(self, **parameters: Any) -> bytes:
        """A request of one row."""
        return msgspec.json.encode({"instances": self.rows[:1], "parameters": parameters})

    def load(self, model: str = "", *, patience: float = 10.0, connections: int = 1000, **parameters: Any) -> Load:
        """Requests of one row each, to the default model or to `model`."""
        path = f"/v1/models/{model}:predict" if model else "/predict"
        requests = tuple(
            self.target.post(path, msgspec.json.encode({"instances": [row], "parameters": parameters}))
            for row in self.rows
        )
        return Load(self.target, requests, read_v1, connections=connections, patience=patience)

    async def drive(self, rate: float, seconds: float, load: Load | None = None) -> Measured:
        """An open loop of so many requests a second; all are answered, or given up, in the end."""
        return await open_loop(load or self.load(), constant(rate, seconds))

    async def record(self, rate: float, seconds: float, load: Load | None = None) -> Recorded:
        """The same, with all that was answered; for runs that are not too long."""
        load = load or self.load()
        run = Recorded(load.read)
        await open_loop(load, constant(rate, seconds), run)
        return run

    @asynccontextmanager
    async def under(self, rate: float, load: Load | None = None) -> AsyncIterator[Measured]:
        """So many requests a second for as long as this lasts; after that all are answered, or given up."""
        load, over = load or self.load(), asyncio.Event()
        run = Measured(load.read)
        arrivals = takewhile(lambda _: not over.is_set(), constant(rate, FOR_EVER_S))
        running = asyncio.create_task(open_loop(load, arrivals, run))
        try:
            yield run
        finally:
            over.set()
            await running

    async def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request on a connection of its own; the event loop goes on meanwhile."""
        return await asyncio.to_thread(self.server.ask, path, body, headers)

    async def answer(self, path: str, body: Any = None, **headers: str) -> tuple[int, Mapping[str, str], Any]:
        """The same with the headers of the answer."""
        return await asyncio.to_thread(self.server.answer, path, body, headers)

    async def backend(self, name: str) -> dict[str, Any]:
        """What the server knows of one."""
        _, said = await self.ask(f"/debug/backends/{name}")
        return dict(said)

    async def load_of_front(self) -> dict[str, Any]:
        """What its only front knows of its load."""
        _, said = await self.ask("/debug/load")
        (front,) = said["fronts"]
        return dict(front)

    async def fates(self, name: str) -> dict[str, int]:
        """What became of the calls to one backend."""
        return dict((await self.backend(name))["fates"])

    async def signal(self, sign: int, *names: str) -> None:
        """Send a signal to the workers of these backends."""
        pids = await asyncio.to_thread(self.server.pids)
        for name in names:
            os.kill(pids[name], sign)

    async def fronts(self) -> list[int]:
        """The processes that take requests."""
        workers = await asyncio.to_thread(self.server.pids)
        return sorted(set(self.server.children()) - set(workers.values()))

    async def until(self, state: str, *names: str) -> None:
        """Wait until each of these backends is in that state, as the debug routes call it."""
        await self._until(names, lambda said: said["state"] == state)

    async def idle(self, *names: str) -> None:
        """Wait until no call to any of these is under way."""
        await self._until(names, lambda said: said["in_flight"] == 0)

    async def _until(self, names: Sequence[str], holds: Callable[[dict[str, Any]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            for name in names:
                while not holds(await self.backend(name)):  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(LOOK_S)


def open_files(pid: int) -> int:
    """How many file descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - of a folder of the kernel's


async def files_left(pid: int, before: int, patience: float = 5.0) -> int:
    """How many more it has than before, once those are closed that will be; wait for that as long as `patience`."""
    until = perf_counter() + patience
    while (more := open_files(pid) - before) > 0 and perf_counter() < until:  # noqa: ASYNC110 - as above
        await asyncio.sleep(LOOK_S)
    return max(0, more)


def resident_mb(*pids: int) -> float:
    """The memory of these processes, in MB of 2**20 bytes; what they share counts once."""
    return sum(proc.pss_bytes(pid) for pid in pids) / 2**20


def started(config: Path, rows: Sequence[Sequence[float]], *options: str, hung_ms: int, within: Sequence[str]) -> Site:
    """A server that is ready; its log lies beside its configuration."""
    return Site(Running(config, config.parent, *options, hung_ms=hung_ms, within=within), rows)


def stopped(site: Site) -> None:
    """End it."""
    site.server.__exit__(None, None, None)

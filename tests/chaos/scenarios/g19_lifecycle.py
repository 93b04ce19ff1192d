"""G19, G20, G21, G23: processes and versions are replaced, a server drains, and one is killed."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from urllib.parse import urlsplit

import msgspec

from benchmarks.claims import Claim
from models import promotion
from models.registry import Registry
from server.bench.answers import Said, read_v1
from server.control import SOCKET
from server.servers import lines_from
from tests.chaos.figures import counted, exactly, holds, timed
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site
from tests.chaos.tables import DEADLINE_MS, five
from tests.running import PATIENCE, Running, alive

FOREST = "breast-cancer/forest"
SERVING_S, ROLLBACK_MS, EXIT_S, UNREADY_MS = 3.0, 1000, 11.0, 100
PATIENT_MS = 30_000  # where the machine may be busy with anything: what is late then is no fault of a restart


class Versions(msgspec.Struct):
    """What an answer says of each member's version."""

    members: dict[str, dict[str, object]] = {}


def _reload(site: Site, *, restart: bool = False) -> None:
    """As `chorus reload`, without the start of a process."""
    (path,) = site.server.runtime.glob(f"chorus-*/{SOCKET}")
    list(lines_from(path, do="reload", restart=restart))


async def restarts(stage: Stage) -> list[Claim]:
    """Callers keep their connections as long as the server does, and never send anything twice."""
    rate, times = stage.size((300, 20), (50, 1))
    async with stage.serve(five(timeout_ms=stage.size(DEADLINE_MS, PATIENT_MS))) as site:
        took = []
        async with site.under(rate, site.load(patience=PATIENCE)) as run:
            for _ in range(times):
                began = time.perf_counter()
                await asyncio.to_thread(_reload, site, restart=True)
                took.append(time.perf_counter() - began)
    return [
        exactly("requests that failed", run.offered - run.statuses[200], 0),
        counted("requests", run.offered, least=stage.size(18_000, 1)),
        exactly("rolling restarts under load", len(took), times),
        timed("p99", run.latency.at([99])[0]),
        timed("a restart, at most", 1e3 * max(took)),
    ]


async def swaps(stage: Stage) -> list[Claim]:
    """Promotions and rollbacks of two members at once; every answer is of one set of versions."""
    times = stage.size(50, 2)
    registry = _doubled(stage)
    seen: Counter[tuple[object, ...]] = Counter()

    def read(body: bytes) -> Said:
        members = msgspec.json.decode(body, type=Versions).members
        seen[members["forest"]["version"], members["mlp"]["version"]] += 1
        return read_v1(body)

    back: list[float] = []
    tables = five(timeout_ms=stage.size(DEADLINE_MS, PATIENT_MS))
    async with replace(stage, registry=registry).serve(tables) as site:
        load = asyncio.create_task(site.drive(100, 2.2 * times, replace(site.load(patience=PATIENCE), read=read)))
        for _ in range(times):
            for step in (promotion.promote, promotion.rollback):
                for name in (FOREST, "breast-cancer/mlp"):
                    step(registry, f"{name}@2" if step is promotion.promote else name)
                began = time.perf_counter()
                await asyncio.to_thread(_reload, site)
                if step is promotion.rollback:
                    back.append(time.perf_counter() - began)
        run = await load
    return [
        exactly("answers of another status, and requests without one", run.offered - run.statuses[200], 0),
        counted("answers of the new set", seen["2", "2"], least=1),
        exactly("answers of more than one set", sum(seen.values()) - seen["1", "1"] - seen["2", "2"], 0),
        exactly("promotions and rollbacks", 2 * len(back), 2 * times),
        timed("a rollback, at most", 1e3 * max(back), most=ROLLBACK_MS),
        timed("p99", run.latency.at([99])[0]),
    ]


def _doubled(stage: Stage) -> Registry:
    """A registry of its own, in which two members have a second version."""
    shutil.copytree(stage.registry.path, stage.folder / "doubled")
    registry = Registry(stage.folder / "doubled")
    for name in (FOREST, "breast-cancer/mlp"):
        version = registry.resolve(name)
        registry.add(version.manifest, {one: (version.folder / one).read_bytes() for one in version.manifest.files})
    return registry


async def drained(stage: Stage) -> list[Claim]:
    """A member hangs, one caller waits four seconds and one for longer than there is, others are idle."""
    async with stage.serve(five(quorum=5)) as site:
        address = urlsplit(site.server.origin)
        idle = [await asyncio.open_connection(address.hostname, address.port) for _ in range(20)]
        await site.signal(signal.SIGSTOP, "forest")
        finished = asyncio.create_task(site.ask("/predict", _body(site, timeout_ms=4000, quorum=1)))
        endless = asyncio.create_task(_cut_off(site, _body(site, timeout_ms=60_000)))
        await asyncio.sleep(0.5)
        children = site.server.children()
        began = time.perf_counter()
        site.server.process.send_signal(signal.SIGTERM)
        while (await site.ask("/readyz"))[0] != 503:
            pass
        unready = time.perf_counter() - began
        code = await asyncio.to_thread(site.server.process.wait, PATIENCE)
        ended = time.perf_counter() - began
        status, _ = await finished
        closed = [await reader.read() == b"" for reader, _ in idle]
        for _, writer in idle:
            writer.close()
        was_cut = await endless
    return [
        exactly("status of what ends in time", status, 200),
        holds("what does not is cut off", held=was_cut),
        exactly("idle connections closed", sum(closed), len(idle)),
        exactly("exit code", code, 0),
        exactly("processes left", sum(map(alive, children)), 0),
        timed("/readyz is 503 after", 1e3 * unready, most=UNREADY_MS),
        timed("exit after", 1e3 * ended, most=1e3 * EXIT_S),
        timed("exit after a second SIGTERM", 1e3 * await _twice(stage)),
    ]


def _body(site: Site, **parameters: object) -> dict[str, object]:
    return {"instances": [list(site.rows[0])], "parameters": parameters}


async def _cut_off(site: Site, body: dict[str, object]) -> bool:
    try:
        status, _ = await site.ask("/predict", body)
    except OSError:
        return True
    return status != 200


async def _twice(stage: Stage) -> float:
    async with stage.serve(five()) as site:
        await site.signal(signal.SIGSTOP, "forest")
        waiting = asyncio.create_task(_cut_off(site, _body(site, timeout_ms=60_000, quorum=5)))
        await asyncio.sleep(0.5)
        site.server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        site.server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(site.server.process.wait, PATIENCE)
        await waiting
        return time.perf_counter() - began


async def killed(stage: Stage) -> list[Claim]:
    """kill -9 of the supervisor under load, again and again, and a start on the same port each time."""
    times = stage.size(50, 2)
    registry = _doubled(stage)
    folder = stage.folder / "killed"
    folder.mkdir()
    config = folder / "chorus.toml"
    config.write_text(f'[registry]\npath = "{registry.path}"\n{five()}')
    rows = registry.manifest(FOREST).examples
    took, wrong, port = [], 0, "0"
    server = await asyncio.to_thread(Running, config, folder, "--loop", stage.loop)
    try:
        for turn in range(times):
            site = Site(server, rows)
            port = str(urlsplit(server.origin).port)
            load = asyncio.create_task(site.drive(100, 0.8, site.load(patience=1.0)))
            champion = promotion.promote(registry, f"{FOREST}@{2 - turn % 2}").version
            await asyncio.sleep(random.uniform(0.1, 0.6))
            os.kill(server.process.pid, signal.SIGKILL)
            began = time.perf_counter()
            await asyncio.to_thread(server.process.wait)
            assert server.process.stdout is not None
            server.process.stdout.close()
            server = await asyncio.to_thread(Running, config, folder, "--loop", stage.loop, "--port", port)
            status, said = await asyncio.to_thread(server.ask, "/predict", {"instances": rows[:1]})
            took.append(time.perf_counter() - began)
            wrong += status != 200 or said["members"]["forest"]["version"] != champion
            await load
        left = sum(name.startswith("chorus-") for name in os.listdir(folder))  # noqa: PTH208 - which takes no time
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
    return [
        exactly("kills", len(took), times),
        exactly("first answers that were no 200 of the champion set last", wrong, 0),
        exactly("private folders that are there", left, 1),
        timed("serving again, at most", 1e3 * max(took), most=1e3 * SERVING_S),
        timed("serving again, the median", 1e3 * sorted(took)[len(took) // 2]),
    ]


SCENARIOS = (
    Scenario("G19", "rolling-restarts", "20 rolling restarts at 300/s over kept connections", 90, restarts),
    Scenario("G20", "drain", "SIGTERM with a hung member, idle connections and requests under way", 20, drained),
    Scenario("G21", "killed", "kill -9 of the server under load, 50 times, and a start on its port", 200, killed),
    Scenario("G23", "hot-swaps", "50 promotions and rollbacks of two members at 100/s", 130, swaps),
)

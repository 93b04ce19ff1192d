"""G5: clients hang up: nothing goes on for them, and nothing is left of it."""

import asyncio
import signal
from time import perf_counter

from benchmarks.claims import Claim
from server.bench.latencies import Latencies
from tests.chaos.faults import NONE, Faults
from tests.chaos.figures import counted, exactly, share, timed
from tests.chaos.remotes import FIVE, ROW, remotes
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site, files_left, open_files
from tests.chaos.tables import five

AFTER_S = 0.05
PATIENT_MS = 60_000
STOPPED = "forest"


async def from_remotes(stage: Stage) -> list[Claim]:
    """Five servers that say nothing; each should see its caller go."""
    count, at_once = stage.size((1000, 20), (40, 10))
    async with remotes() as far, stage.serve(far.tables(timeout_ms=PATIENT_MS), rows=ROW) as site:
        await site.until("ready", *FIVE)
        await site.ask("/predict", site.body())
        (front,) = await site.fronts()
        before = open_files(front)
        for way in far.ways.values():
            way.faults = Faults(hole=True)
        gone = await _hang_ups(site, count, at_once)
        began = perf_counter()
        await site.idle("all", *FIVE)
        idle = perf_counter() - began
        left = await files_left(front, before)
        seen = [one for way in far.ways.values() for one in way.seen if one.id in gone]
        for way in far.ways.values():
            way.faults = NONE
        status, _ = await site.ask("/predict", site.body())
    eof = Latencies()
    for one in seen:
        eof.record((one.left or float("inf")) - gone[one.id])
    return [
        exactly("clients that hung up", len(gone), count),
        share("of their calls whose server saw it", sum(one.left is not None for one in seen), len(seen), least=100),
        share("clients whose calls had reached a server", len({one.id for one in seen}), count, least=50),
        counted("open files more than before", left, most=2),
        exactly("status of the next request", status, 200),
        timed("until a server saw it, p99", eof.at([99])[0], most=50),
        timed("until no call was under way", 1e3 * idle, most=1000),
    ]


async def from_workers(stage: Stage) -> list[Claim]:
    """A stopped worker: what it was asked must be dropped when it goes on, and what waits for it be forgotten."""
    count, at_once = stage.size((1000, 20), (40, 10))
    async with stage.serve(five(timeout_ms=PATIENT_MS)) as site:
        await site.ask("/predict", site.body())
        (front,) = await site.fronts()
        before = open_files(front)
        await site.signal(signal.SIGSTOP, STOPPED)
        gone = await _hang_ups(site, count, at_once)
        began = perf_counter()
        await site.idle("all", STOPPED)
        idle = perf_counter() - began
        fates = await site.fates(STOPPED)
        left = await files_left(front, before)
        await site.signal(signal.SIGCONT, STOPPED)
        status, said = await site.ask("/predict", site.body())
    return [
        exactly("clients that hung up", len(gone), count),
        exactly(
            "calls to it that count as failed or late",
            sum(n for fate, n in fates.items() if fate[:3] in ("fai", "lat")),
            0,
        ),
        counted("open files more than before", left, most=2),
        exactly("members of the next answer", said["outcome"]["answered"] if status == 200 else 0, 5),
        timed("until no call was under way", 1e3 * idle, most=1000),
    ]


async def _hang_ups(site: Site, count: int, at_once: int) -> dict[str, float]:
    """So many requests whose clients hang up `AFTER_S` later: when, by the id of the request."""
    gone: dict[str, float] = {}
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            reader, writer = await asyncio.open_connection(site.target.host, site.target.port)
            writer.write(site.target.post("/predict", site.body(), {"X-Request-Id": f"gone-{number}"}))
            await asyncio.sleep(AFTER_S)
            assert not reader.at_eof()
            writer.close()
            gone[f"gone-{number}"] = perf_counter()

    await asyncio.gather(*(client() for _ in range(at_once)))
    return gone


SCENARIOS = (
    Scenario(
        "G5", "clients-of-remotes", "1,000 clients hang up after 50 ms; five servers say nothing", 20, from_remotes
    ),
    Scenario(
        "G5",
        "clients-of-workers",
        "1,000 clients hang up after 50 ms; one of five workers is stopped",
        20,
        from_workers,
    ),
)

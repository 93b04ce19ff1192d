"""G5: clients hang up: nothing goes on for them, and nothing is left of it."""

import asyncio
import signal
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.claims import Claim
from server.bench.latencies import Latencies
from tests.chaos.faults import NONE, Faults
from tests.chaos.figures import counted, exactly, share, timed
from tests.chaos.hostile import silence
from tests.chaos.remotes import FIVE, INFER, ROW, remotes
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site, files_left, open_files
from tests.chaos.tables import five

AFTER_S = 0.05
PATIENT_MS = 60_000
STOPPED = "forest"


async def from_remotes(stage: Stage) -> list[Claim]:
    """Five servers that answer no call; each should see its caller go.

    Each hang-up closes five connections, so that the next calls have to make new ones, after which the metadata is read
    again. That is answered: who answers nothing at all is soon not asked any more.
    """
    count, rate = stage.size((1000, 50), (40, 20))
    async with remotes() as far, stage.serve(far.tables(timeout_ms=PATIENT_MS), rows=ROW) as site:
        await site.until("ready", *FIVE)
        await site.ask("/predict", site.body())
        (front,) = await site.fronts()
        before = open_files(front)
        for way in far.ways.values():
            way.faults = Faults(answer=silence, to=INFER)
        clients = await _hang_ups(site, count, rate)
        began = perf_counter()
        await site.idle("all", *FIVE)
        idle = perf_counter() - began
        left = await files_left(front, before)
        seen = [one for way in far.ways.values() for one in way.seen if one.id in clients.gone]
        for way in far.ways.values():
            way.faults = NONE
        status, _ = await site.ask("/predict", site.body())
    eof = Latencies()
    for one in seen:
        eof.record((one.left or float("inf")) - clients.gone[one.id])
    return [
        exactly("clients that hung up", len(clients.gone), count),
        exactly("clients that were answered before", clients.answered, 0),
        share("of their calls whose server saw it", sum(one.left is not None for one in seen), len(seen), least=100),
        share("clients whose calls had reached a server", len({one.id for one in seen}), count, least=50),
        counted("open files more than before", left, most=2),
        exactly("status of the next request", status, 200),
        timed("until a server saw it, p99", eof.at([99])[0], most=50),
        timed("until no call was under way", 1e3 * idle, most=1000),
    ]


async def from_workers(stage: Stage) -> list[Claim]:
    """A stopped worker: what it was asked must be dropped when it goes on, and what waits for it be forgotten."""
    count, rate = stage.size((1000, 50), (40, 20))
    async with stage.serve(five(timeout_ms=PATIENT_MS)) as site:
        await site.ask("/predict", site.body())
        (front,) = await site.fronts()
        before = open_files(front)
        await site.signal(signal.SIGSTOP, STOPPED)
        clients = await _hang_ups(site, count, rate)
        began = perf_counter()
        await site.idle("all", STOPPED)
        idle = perf_counter() - began
        fates = await site.fates(STOPPED)
        left = await files_left(front, before)
        await site.signal(signal.SIGCONT, STOPPED)
        status, said = await site.ask("/predict", site.body())
    return [
        exactly("clients that hung up", len(clients.gone), count),
        exactly("clients that were answered before", clients.answered, 0),
        exactly(
            "calls to it that count as failed or late",
            sum(n for fate, n in fates.items() if fate[:3] in ("fai", "lat")),
            0,
        ),
        counted("open files more than before", left, most=2),
        exactly("members of the next answer", said["outcome"]["answered"] if status == 200 else 0, 5),
        timed("until no call was under way", 1e3 * idle, most=1000),
    ]


@dataclass(slots=True)
class Clients:
    """`gone`: when those hung up that did, by the id of the request. Others were `answered` before."""

    gone: dict[str, float] = field(default_factory=dict)
    answered: int = 0


async def _hang_ups(site: Site, count: int, rate: float) -> Clients:
    """So many requests, `rate` in a second, whose clients hang up `AFTER_S` later."""
    clients = Clients()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection(site.target.host, site.target.port)
        writer.write(site.target.post("/predict", site.body(), {"X-Request-Id": f"gone-{number}"}))
        try:
            async with asyncio.timeout(AFTER_S):
                await reader.read(1)
            clients.answered += 1
        except TimeoutError:
            clients.gone[f"gone-{number}"] = perf_counter()
        writer.close()

    began, calling = perf_counter(), []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
        calling.append(asyncio.create_task(client(number)))
    await asyncio.gather(*calling)
    return clients


SCENARIOS = (
    Scenario(
        "G5",
        "clients-of-remotes",
        "1,000 clients hang up after 50 ms, 50/s; five servers answer no call",
        30,
        from_remotes,
    ),
    Scenario(
        "G5",
        "clients-of-workers",
        "1,000 clients hang up after 50 ms, 50/s; one of five workers is stopped",
        30,
        from_workers,
    ),
)

"""G13, G17: more is asked than can be done, or what can be done becomes less."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.claims import Claim
from tests.chaos.burnt import ROW, at_most, burn, goodput, offered
from tests.chaos.figures import counted, exactly, measured, share, timed
from tests.chaos.runs import p99
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site
from tests.chaos.tables import DEADLINE_MS

PROBE_S = 0.25
LEAST = {2: 90, 5: 80}  # of what it can do, in percent, by how many times as much is asked


@asynccontextmanager
async def probed(site: Site) -> AsyncIterator[list[int]]:
    """Ask now and then whether it lives and is ready, as whoever watches it does; the statuses."""
    statuses: list[int] = []

    async def probe() -> None:
        while True:
            statuses.append((await site.ask("/livez"))[0])
            statuses.append((await site.ask("/readyz"))[0])
            await asyncio.sleep(PROBE_S)

    probing = asyncio.create_task(probe())
    try:
        yield statuses
    finally:
        probing.cancel()
        await asyncio.wait([probing])


async def overload(stage: Stage) -> list[Claim]:
    """Twice and five times what it can do, then half: goodput stays, and whoever is let in is answered in time."""
    seconds, least = stage.size((60, 10), (2, 1))
    claims: list[Claim] = []
    async with stage.serve(burn(), rows=ROW) as site:
        before = await at_most(site, least)
        claims.append(measured("C: answered in a closed loop", before, unit="/s"))
        for times, enough in LEAST.items():
            async with probed(site) as statuses:
                run = await offered(site, times * before, seconds)
            claims += [
                measured(f"goodput at {times}x, of C", goodput(run, seconds, before), least=enough, unit=" %"),
                timed(f"p99 of answers at {times}x", run.latency.at([99])[0], most=DEADLINE_MS),
                timed(f"p99 of refusals at {times}x", p99(run.refusal), most=20),
                share(f"probes answered 200 at {times}x", statuses.count(200), len(statuses), least=100),
                counted(f"refused with 503 at {times}x", run.statuses[503], least=1),
                exactly(f"requests without an answer at {times}x", sum(run.errors.values()), 0),
            ]
        await offered(site, before / 2, 4)
        run = await offered(site, before / 2, least)
        claims += [
            measured("answered 200 at 0.5x, 4 s later", 100 * run.statuses[200] / run.offered, least=100, unit=" %"),
            timed("p99 of answers then", run.latency.at([99])[0], most=DEADLINE_MS),
        ]
    return claims


async def half_is_gone(stage: Stage) -> list[Claim]:
    """One of two workers is stopped; the bound follows, and what is left is used as well as it can be."""
    seconds, settle = stage.size((30, 10), (2, 1))
    async with stage.serve(burn(processes=2), rows=ROW) as site:
        whole = await at_most(site, settle)
        calm = await offered(site, 0.7 * whole, seconds)
        replicas = (await site.backend("burn"))["replicas"]
        pid = next(iter(replicas.values()))["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            await offered(site, whole, settle)
            run = await offered(site, whole, settle)
            half = await at_most(site, settle)
        finally:
            os.kill(pid, signal.SIGCONT)
    return [
        measured("C: answered in a closed loop", whole, unit="/s"),
        measured("503 at 0.7x", 100 * calm.statuses[503] / calm.offered, most=0.1, unit=" %"),
        measured("goodput 10 s after the stop, of C with one", goodput(run, settle, half), least=80, unit=" %"),
        timed("p99 of answers then", run.latency.at([99])[0], most=DEADLINE_MS),
        exactly("requests without an answer", sum((calm.errors + run.errors).values()), 0),
    ]


SCENARIOS = (
    Scenario("G13", "overload", "twice and five times what it can do, 4 ms of CPU a row, D 200 ms", 150, overload),
    Scenario("G17", "half-is-gone", "one of two workers stopped at what both can do", 80, half_is_gone),
)

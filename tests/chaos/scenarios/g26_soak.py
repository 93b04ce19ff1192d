"""G26: hours of everything at once, by chance: what a server takes must not grow, and nothing be forgotten.

The full size is 30 minutes. For 24 hours: make chaos GOALS=G26 MINUTES=1440
"""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.chorus import MEMBERS
from benchmarks.claims import Claim
from tests.chaos.faults import NONE, Faults
from tests.chaos.figures import counted, exactly, measured, number, share
from tests.chaos.hostile import answers
from tests.chaos.remotes import FIVE, INFER, ROW, Remotes, remotes
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site, open_files, resident_mb
from tests.chaos.tables import five

MINUTES = float(os.environ.get("MINUTES", "30"))
WARM = 1 / 6  # of the time, before memory is looked at
PATIENT_MS = 1000
HUNG_MS = 5000
FAR = "far"
LOOK_S, SETTLED_S = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Look:
    """What the front and the supervisor have at a moment."""

    at: float
    front_mb: float
    supervisor_mb: float


async def soak(stage: Stage) -> list[Claim]:
    """Two ensembles, of workers and of servers far away; every few seconds something happens to one of them."""
    seconds, rate, every = stage.size((60 * MINUTES, 25, 5.0), (4, 10, 0.5))
    chance = random.Random(7)
    looks: list[Look] = []
    async with remotes() as far:
        tables = five(timeout_ms=PATIENT_MS) + far.tables(timeout_ms=PATIENT_MS).replace(
            "[ensembles.all]", f"[ensembles.{FAR}]"
        )
        async with stage.serve(f'[server]\ndefault = "all"\n{tables}', hung_ms=HUNG_MS) as site:
            await site.until("ready", *FIVE)
            await site.drive(rate, 1)
            (front,) = await site.fronts()
            files, threads = await _files(front, far), _threads(front)
            until = perf_counter() + seconds
            theirs = Site(site.server, ROW)
            async with site.under(rate) as near, theirs.under(rate, theirs.load(FAR)) as away:
                while perf_counter() < until:
                    await _happen(site, far, chance)
                    looks.append(Look(perf_counter(), resident_mb(front), resident_mb(site.server.process.pid)))
                    await asyncio.sleep(every)
            for way in far.ways.values():
                way.faults = NONE
            await site.until("ready", *MEMBERS)
            await site.idle(*MEMBERS, *FIVE, "all", FAR)
            more_files = max(0, await _files(front, far) - files)
            more_threads = max(0, _threads(front) - threads)
    offered, statuses = near.offered + away.offered, near.statuses + away.statuses
    claims = [
        share("answered 200", statuses[200], offered, least=99.9 if stage.quick else 99.99),
        exactly("errors of connections", near.errors.total() + away.errors.total(), 0),
        exactly("answers of 500", statuses[500], 0),
        *(
            number(f"answers of {status}", count)
            for status, count in sorted(statuses.items())
            if status not in (200, 500)
        ),
        counted("open files more than in the beginning, once all is over", more_files, most=2),
        counted("threads more than in the beginning", more_threads, most=2),
    ]
    if not stage.quick:
        later = [look for look in looks if look.at > looks[0].at + WARM * seconds]
        claims += [
            measured(
                "memory of the front, MB in an hour", _slope([(look.at, look.front_mb) for look in later]), most=1
            ),
            measured(
                "memory of the supervisor, MB in an hour",
                _slope([(look.at, look.supervisor_mb) for look in later]),
                most=1,
            ),
            measured("memory of the front in the end", looks[-1].front_mb, unit=" MB"),
        ]
    return claims


async def _happen(site: Site, far: Remotes, chance: random.Random) -> None:
    """One thing, to one of each kind; what happened before to one far away is over."""
    for way in far.ways.values():
        way.faults = NONE
    way = far.ways[chance.choice(FIVE)]
    poison = chance.choice(answers(way.url))
    faults = [
        Faults(hole=True),
        Faults(latency=0.1, jitter=0.2),
        Faults(slice=7, pause=0.001),
        Faults(reset_after=50),
        Faults(answer=poison.answer, to=INFER, share=0.5),
        NONE,
    ]
    way.faults = chance.choice(faults)
    if chance.random() < 0.3:
        way.reset()
    name, sign = chance.choice(MEMBERS), chance.choice([signal.SIGKILL, signal.SIGSTOP, None])
    snapshot = await site.backend(name)
    if sign is not None and snapshot["state"] == "ready":
        os.kill(snapshot["pid"], sign)


async def _files(pid: int, far: Remotes) -> int:
    """How many the front has, but for its idle connections to servers far away: these were as many as calls at once."""
    for way in far.ways.values():
        way.reset()
    looks = []
    for _ in range(round(SETTLED_S / LOOK_S)):
        looks.append(open_files(pid))
        await asyncio.sleep(LOOK_S)
    return min(looks)


def _threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """How much a figure grows in an hour, by least squares."""
    moments, figures = np.array(points).T
    return float(np.polyfit(moments - moments[0], figures, 1)[0] * 3600)


SCENARIOS = (Scenario("G26", "soak", "30 minutes of faults by chance, every 5 s, 50/s", 60 * MINUTES + 20, soak),)

"""G22: workers are killed and stopped again and again: the others answer, and each is soon replaced."""

import asyncio
import itertools
import os
import signal
from time import perf_counter

from benchmarks.chorus import MEMBERS
from benchmarks.claims import Claim
from server.bench.latencies import Latencies
from tests.chaos.figures import counted, measured, timed
from tests.chaos.runs import all_answered, fates
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import DEADLINE_MS, five

HUNG_MS = 5000  # as by default
LIVED_S = 11.0  # who has lived for ten seconds is started again at once
LOOK_S = 0.02


async def killed(stage: Stage) -> list[Claim]:
    """One after the other; the kernel does the same to whoever takes too much memory."""
    return await _again_and_again(stage, signal.SIGKILL, most_ms=1000)


async def stopped(stage: Stage) -> list[Claim]:
    """One after the other; the supervisor has to see it, and to kill it."""
    return await _again_and_again(stage, signal.SIGSTOP, most_ms=2000)


async def _again_and_again(stage: Stage, sign: signal.Signals, *, most_ms: float) -> list[Claim]:
    count, rate, apart, lived = stage.size((50, 100, LIVED_S / len(MEMBERS), LIVED_S), (3, 40, 0.1, 0.5))
    replaced, ready = Latencies(), Latencies()
    tables = five(timeout_ms=stage.size(DEADLINE_MS, 1000))
    async with stage.serve(tables, hung_ms=HUNG_MS) as site, site.under(rate) as run:
        await asyncio.sleep(lived)
        for _, name in zip(range(count), itertools.cycle(MEMBERS), strict=False):
            began, pid = perf_counter(), (await site.backend(name))["pid"]
            os.kill(pid, sign)
            while (await site.backend(name))["pid"] in (pid, None):  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(LOOK_S)
            replaced.record(perf_counter() - began)
            await site.until("ready", name)
            ready.record(perf_counter() - began)
            await asyncio.sleep(began + apart - perf_counter())
    failed = sum(fates(run, name, "failed") for name in MEMBERS)
    return [
        *all_answered(run),
        counted("replaced", len(replaced), least=count),
        timed("until another process was there, the longest", replaced.at([100])[0], most=most_ms),
        timed("until it was back in the vote, p50", ready.at([50])[0]),
        timed("until it was back in the vote, the longest", ready.at([100])[0]),
        timed("p99", run.latency.at([99])[0], most=DEADLINE_MS + 25),
        measured("answers in which it failed, for each that was lost", failed / count),
    ]


SCENARIOS = (
    Scenario("G22", "killed-workers", "SIGKILL to one of five workers in turn, 50 times, 100/s", 140, killed),
    Scenario("G22", "stopped-workers", "SIGSTOP to one of five workers in turn, 50 times, 100/s", 140, stopped),
)

"""G22: workers are killed and stopped again and again: the others answer, and each is soon replaced."""

import asyncio
import itertools
import os
import signal
from time import perf_counter

from benchmarks.chorus import MEMBERS, ensemble
from benchmarks.claims import Claim
from server.bench.latencies import Latencies
from tests.chaos.figures import counted, exactly, holds, measured, timed
from tests.chaos.kernel import MIB, bounded, lacks_groups
from tests.chaos.remotes import ROW, remotes
from tests.chaos.runs import all_answered, fates
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import DEADLINE_MS, far, five

PATIENT_MS = 5000
HUNG_MS = 5000  # as by default
LIVED_S = 11.0  # who has lived for ten seconds is started again at once
LOOK_S = 0.02
GREEDY = "greedy"
MORE_MB = 64  # than it has when it is ready
POISON = [1e6, 1.0]
FUNCTION = f"""
def predict(columns):
    hoard = []
    while max(columns["a"]) == {POISON[0]} and len(hoard) < 1024:
        hoard.append(bytearray(b"x") * {MIB})
    return ["yes"] * len(columns["a"])
"""


async def killed(stage: Stage) -> list[Claim]:
    """One after the other."""
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


async def out_of_memory(stage: Stage) -> list[Claim]:
    """One of three members is a function that takes memory without end for one row, and the kernel bounds it."""
    count, rate, apart = stage.size((10, 50, LIVED_S), (2, 20, 0.1))
    (stage.folder / "greedy.py").write_text(FUNCTION)
    table = f'[backends.{GREEDY}]\npython = "greedy:predict"\npath = "{stage.folder}"\nfeatures = ["a", "b"]\n'
    table += 'labels = ["no", "yes"]\n'
    names = ("a", "b")
    async with remotes(names) as there:
        table += "".join(far(name, way.url) for name, way in there.ways.items())
        table += ensemble([GREEDY, *names], rule='"hard"', early="false", timeout_ms=PATIENT_MS)
        async with stage.serve(table, rows=ROW) as site:
            await site.until("ready", GREEDY, *names)
            fronts = await site.fronts()
            kills, poisoned, ready = 0, [], Latencies()
            async with site.under(rate) as run:
                for _ in range(count):
                    began, pid = perf_counter(), (await site.backend(GREEDY))["pid"]
                    with bounded(pid, MORE_MB * MIB) as killed_so_often:
                        poisoned.append(await site.ask("/predict", {"instances": [POISON]}))
                        while (await site.backend(GREEDY))["pid"] in (pid, None):  # noqa: ASYNC110 - as above
                            await asyncio.sleep(LOOK_S)
                        kills += killed_so_often()
                    await site.until("ready", GREEDY)
                    ready.record(perf_counter() - began)
                    await asyncio.sleep(apart)
            as_before = await site.fronts() == fronts
    others = sum(status == 200 and said["outcome"]["answered"] == len(names) for status, said in poisoned)
    return [
        *all_answered(run),
        exactly("times that the kernel killed it", kills, count),
        exactly("answers of the other two to the row that it died of", others, count),
        holds("the front is the one that it was", held=as_before),
        timed("until it was back in the vote, the longest", ready.at([100])[0]),
    ]


SCENARIOS = (
    Scenario("G22", "killed-workers", "SIGKILL to one of five workers in turn, 50 times, 100/s", 140, killed),
    Scenario("G22", "stopped-workers", "SIGSTOP to one of five workers in turn, 50 times, 100/s", 140, stopped),
    Scenario(
        "G22",
        "out-of-memory",
        "one of three members takes memory until the kernel kills it, 10 times, 50/s",
        150,
        out_of_memory,
        lacks_groups,
    ),
)

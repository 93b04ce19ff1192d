"""G11: one backend that hangs, with all of its places taken, costs another one nothing: they share no pool."""

import asyncio
import signal
import statistics
from collections.abc import Awaitable, Callable
from time import perf_counter

from benchmarks.claims import Claim
from tests.chaos.faults import NONE, Faults
from tests.chaos.figures import counted, exactly, measured, share, timed
from tests.chaos.kernel import lacks_namespaces, nameless
from tests.chaos.remotes import FIVE, ROW, remotes
from tests.chaos.runs import all_answered, fates
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site
from tests.running import PATIENCE

PLACES = 64
PATIENT_MS = 60_000
UNKNOWN = ("a", "b")
EXIT_S = 11.0
SLEEPY = """
import time

def predict(columns):
    time.sleep({seconds})
    return ["no"] * len(columns["a"])
"""

Change = Callable[[], Awaitable[None]]


async def hung_remote(stage: Stage) -> list[Claim]:
    """The way to `a` is a hole."""
    async with remotes("ab") as far, stage.serve(far.tables(f"limit = {PLACES}"), rows=ROW) as site:
        await site.until("ready", "a", "b")

        async def hang() -> None:
            far.ways["a"].faults = Faults(hole=True)

        async def go_on() -> None:
            far.ways["a"].faults = NONE

        return await _beside(stage, site, PLACES, hang, go_on)


async def sleeping_function(stage: Stage) -> list[Claim]:
    """`a` is a function in the front itself, in a thread, where each call sleeps."""
    (stage.folder / "sleepy.py").write_text(SLEEPY.format(seconds=stage.size(0.2, 0.04)))
    sleepy = f'[backends.a]\npython = "sleepy:predict"\npath = "{stage.folder}"\nfeatures = ["a", "b"]\n'
    sleepy += f'labels = ["no", "yes"]\ninline = true\nlimit = {PLACES}\n'
    async with remotes("b") as far, stage.serve(far.tables(f"limit = {PLACES}") + sleepy, rows=ROW) as site:
        await site.until("ready", "b")
        return await _beside(stage, site, PLACES // 2, _nothing, _nothing)


async def silent_names(stage: Stage) -> list[Claim]:
    """Nobody answers who is asked for names: of five servers two have one that the machine itself does not know."""
    rate, seconds = stage.size((100, 30), (40, 2))
    async with remotes() as far:
        tables = far.tables(timeout_ms=PATIENT_MS)
        for name in UNKNOWN:
            tables = tables.replace(far.ways[name].url, f"http://{name}.example.test:{far.ways[name].port}")
        tables = tables.replace(f"127.0.0.1:{far.ways['c'].port}", f"localhost:{far.ways['c'].port}")
        with nameless(stage.folder) as (within, asked):
            async with stage.serve(tables, rows=ROW, within=within) as site:
                await site.until("ready", *(set(FIVE) - set(UNKNOWN)))
                run = await site.drive(rate, seconds)
                states = [(await site.backend(name))["state"] for name in UNKNOWN]
                began = perf_counter()
                site.server.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(site.server.process.wait, PATIENCE)
                ended = perf_counter() - began
            questions = asked()
    return [
        *all_answered(run),
        exactly("servers whose name nobody knows and which are unverified", states.count("unverified"), len(UNKNOWN)),
        *(share(f"without {name}", fates(run, name, "skipped"), run.offered, least=100) for name in UNKNOWN),
        counted("questions that nobody has answered", questions, least=len(UNKNOWN)),
        timed("p99", run.latency.at([99])[0], most=50),
        timed("exit after SIGTERM", 1e3 * ended, most=1e3 * EXIT_S),
    ]


async def _nothing() -> None:
    pass


async def _beside(stage: Stage, site: Site, least: int, hang: Change, go_on: Change) -> list[Claim]:
    """`b` alone, and beside 64 calls to `a`; in turn, so that whatever disturbs the machine disturbs both."""
    rate, seconds, rounds = stage.size((100, 8, 5), (40, 1, 1))
    load, others = site.load("b", timeout_ms=PATIENT_MS), site.load("a", timeout_ms=PATIENT_MS, patience=120)
    alone, beside, claims = [], [], []
    for _ in range(rounds):
        alone.append(await site.drive(rate, seconds, load))
        await hang()
        hanging = asyncio.create_task(site.drive(1000, PLACES / 1000, others))
        async with asyncio.timeout(30):
            while (await site.backend("a"))["in_flight"] < least:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.02)
        beside.append(await site.drive(rate, seconds, load))
        await go_on()
        await hanging
    for run in beside:
        claims += [claim for claim in all_answered(run) if claim.mark != "met"]
    ratios = [two.latency.at([99])[0] / one.latency.at([99])[0] for one, two in zip(alone, beside, strict=True)]
    return [
        *(claims or all_answered(beside[0])),
        measured(
            f"p99 of b beside {PLACES} calls to a, of that alone (median of {rounds})",
            statistics.median(ratios),
            most=1.1,
        ),
        measured("p99 of b alone", statistics.median(one.latency.at([99])[0] for one in alone), unit=" ms"),
    ]


SCENARIOS = (
    Scenario(
        "G11",
        "hung-remote",
        "64 calls to a server hang, another is asked 100/s; 5 alternations of 8 s",
        100,
        hung_remote,
    ),
    Scenario(
        "G11",
        "sleeping-function",
        "64 calls to a function that sleeps in the front's thread; the same",
        170,
        sleeping_function,
    ),
    Scenario(
        "G11",
        "silent-names",
        "two of five servers have names, and whoever is asked for names never answers; 100/s for 30 s",
        40,
        silent_names,
        lacks_namespaces,
    ),
)

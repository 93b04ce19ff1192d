"""G8: second tries do not make an outage worse: of a model alone there are few, in an ensemble with a quorum none.

There are none at all while calls are refused for want of room, and none while the server drains.
"""

import asyncio
import signal
from collections.abc import AsyncIterator

from benchmarks.claims import Claim
from tests.chaos.faults import Faults
from tests.chaos.figures import counted, exactly, measured, share
from tests.chaos.hostile import broken
from tests.chaos.proxy import Proxy
from tests.chaos.remotes import FIVE, INFER, ROW, remotes
from tests.chaos.runs import all_answered
from tests.chaos.scenario import Scenario, Stage

MOST_CALLS = 1.12  # for each request
NARROW = "breaker = false\nlimit = 2\nqueue = 0"
TAKES_S = 0.05  # 40 calls a second fit
CALM_S = 2.0  # a second without a refusal, and there may be second tries again
ROOMY = "breaker = false\nlimit = 64"
PATIENT_MS = 30_000
LOOK_S = 0.005
RESET = Faults(answer=broken(), to=INFER)
HALF = Faults(answer=broken(), to=INFER, share=0.5)


async def alone(stage: Stage) -> list[Claim]:
    """A model alone, of which first half of the calls are reset, then all; its breaker, which would help, is off."""
    rate, seconds = stage.size((100, 30), (100, 3))
    async with remotes(["a"]) as far, stage.serve(far.tables("breaker = false"), rows=ROW) as site:
        await site.until("ready", "a")
        way, before = far.ways["a"], 0
        claims: list[Claim] = []
        for words, faults in (("half of the calls are reset", HALF), ("all are", RESET)):
            way.faults = faults
            run = await site.drive(rate, seconds, site.load("a", timeout_ms=5000))
            calls = _calls(way) - before
            before += calls
            claims += [
                counted(f"calls for each request when {words}", calls / run.offered, most=MOST_CALLS),
                share(f"answered 200 when {words}", run.statuses[200], run.offered),
                exactly(f"errors of connections when {words}", run.errors.total(), 0),
            ]
    return claims


async def in_ensemble(stage: Stage) -> list[Claim]:
    """One of five, which the quorum can do without: nobody tries it again."""
    rate, seconds = stage.size((100, 30), (40, 2))
    async with remotes() as far, stage.serve(far.tables("breaker = false", timeout_ms=2000), rows=ROW) as site:
        await site.until("ready", *FIVE)
        far.ways["a"].faults = HALF
        run = await site.drive(rate, seconds)
        snapshot = await site.backend("a")
    return [
        *all_answered(run),
        exactly("second tries of a member that is not needed", snapshot["retries"], 0),
        measured("share of answers without it", run.degraded / max(1, run.statuses[200])),
    ]


async def while_shedding(stage: Stage) -> list[Claim]:
    """A model that has no room for half of the calls, and resets half of the others; then it has room again."""
    rate, seconds = stage.size((100, 20), (100, 2))
    async with remotes(["a"]) as far, stage.serve(far.tables(NARROW), rows=ROW) as site:
        await site.until("ready", "a")
        far.ways["a"].faults = Faults(answer=_reset_late, to=INFER)
        load = site.load("a", timeout_ms=PATIENT_MS)
        await site.drive(rate, 1, load)  # before the first is refused there may be second tries
        before = (await site.backend("a"))["retries"]
        run = await site.drive(rate, seconds, load)
        shedding = (await site.backend("a"))["retries"]
        refused = run.offered - _calls(far.ways["a"], since=run.began)
        await asyncio.sleep(CALM_S)
        await site.drive(5, 4, load)
        calm = (await site.backend("a"))["retries"]
    return [
        share("refused for want of room", refused, run.offered, least=10),
        exactly("second tries meanwhile", shedding - before, 0),
        counted("second tries when nobody is refused any more", calm - shedding, least=1),
    ]


async def while_draining(stage: Stage) -> list[Claim]:
    """Calls that are reset all at once: some are tried again, but none of a server that has got SIGTERM."""
    count = stage.size(40, 20)
    tried = [await _tried(stage, count, drains=drains) for drains in (False, True)]
    return [
        counted("second tries of a server that goes on", tried[0], least=1),
        exactly("second tries of one that drains", tried[1], 0),
    ]


async def _tried(stage: Stage, count: int, *, drains: bool) -> int:
    """How many calls more than `count` come to a model that resets them once all of them are under way."""
    go = asyncio.Event()

    async def answer() -> AsyncIterator[bytes]:
        await go.wait()
        yield b""
        raise ConnectionResetError("as it was told to")

    async with remotes(["a"]) as far, stage.serve(far.tables(ROOMY), rows=ROW) as site:
        await site.until("ready", "a")
        far.ways["a"].faults = Faults(answer=answer, to=INFER)
        running = asyncio.create_task(site.drive(count / 0.1, 0.1, site.load("a", timeout_ms=PATIENT_MS)))
        while _calls(far.ways["a"]) < count:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(LOOK_S)
        if drains:
            site.server.process.send_signal(signal.SIGTERM)
            while (await site.ask("/readyz"))[0] != 503:
                pass
        go.set()
        await running
        return _calls(far.ways["a"]) - count


async def _reset_late() -> AsyncIterator[bytes]:
    await asyncio.sleep(TAKES_S)
    yield b""
    raise ConnectionResetError("as it was told to")


def _calls(way: Proxy, since: float = 0.0) -> int:
    return sum(one.request.path.endswith(INFER) for one in way.seen if one.came >= since)


SCENARIOS = (
    Scenario(
        "G8", "retries-alone", "a model alone, 100/s: for 30 s half of the calls are reset, for 30 s all", 75, alone
    ),
    Scenario("G8", "retries-in-a-vote", "one of five, half of whose calls are reset, 100/s for 30 s", 45, in_ensemble),
    Scenario(
        "G8", "retries-while-shedding", "a model that takes 40/s and resets them, asked 100/s", 35, while_shedding
    ),
    Scenario(
        "G8", "retries-while-draining", "40 calls under way are reset, without and after SIGTERM", 15, while_draining
    ),
)

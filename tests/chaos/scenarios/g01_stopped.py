"""G1: one of five neither answers nor closes: everyone is answered at the deadline, and soon nobody waits any more."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from benchmarks.claims import Claim
from tests.chaos.faults import Faults
from tests.chaos.figures import measured, number, share, timed
from tests.chaos.kernel import dropping, lacks_nft
from tests.chaos.remotes import FIVE, ROW, remotes
from tests.chaos.runs import all_answered, fates, typical_ms
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site
from tests.chaos.tables import DEADLINE_MS, five

LOST = "forest"
PATIENT_MS = 1000  # where no time is asserted, a machine that is busy should not matter
FAR_LOST = "a"
IN_A_ROW = 5  # are late, and its breaker opens; with them are those that were under way
SETTLED_S = 10  # after so long its breaker is open for longer than a deadline


async def stopped_worker(stage: Stage) -> list[Claim]:
    """A worker gets SIGSTOP, and nobody replaces it."""
    async with stage.serve(five(timeout_ms=stage.size(DEADLINE_MS, PATIENT_MS))) as site:
        return await _compared(stage, site, LOST, lambda: site.signal(signal.SIGSTOP, LOST))


async def replaced_worker(stage: Stage) -> list[Claim]:
    """The same as it is by default: the supervisor sees it, and replaces the worker."""
    async with stage.serve(five(timeout_ms=stage.size(DEADLINE_MS, PATIENT_MS)), hung_ms=5000) as site:
        claims = await _compared(stage, site, LOST, lambda: site.signal(signal.SIGSTOP, LOST), degraded=False)
        await site.until("ready", LOST)
        return claims


async def black_hole(stage: Stage) -> list[Claim]:
    """What is sent to one of five servers is lost on the way."""
    async with (
        remotes() as far,
        stage.serve(far.tables(timeout_ms=stage.size(DEADLINE_MS, PATIENT_MS)), rows=ROW) as site,
    ):
        await site.until("ready", *FIVE)

        async def lose() -> None:
            far.ways[FAR_LOST].faults = Faults(hole=True)

        return await _compared(stage, site, FAR_LOST, lose)


async def dropped_packets(stage: Stage) -> list[Claim]:
    """What is sent to the port of one of five servers is dropped by the kernel: no connection can be made either."""
    with ExitStack() as dropped:
        async with (
            remotes() as far,
            stage.serve(far.tables(timeout_ms=stage.size(DEADLINE_MS, PATIENT_MS)), rows=ROW) as site,
        ):
            await site.until("ready", *FIVE)

            async def lose() -> None:
                await asyncio.to_thread(dropped.enter_context, dropping(far.ways[FAR_LOST].port))

            claims = await _compared(stage, site, FAR_LOST, lose)
            dropped.close()
            await site.until("ready", FAR_LOST)
            return claims


async def _compared(
    stage: Stage, site: Site, lost: str, lose: Callable[[], Awaitable[None]], *, degraded: bool = True
) -> list[Claim]:
    """Before and after `lost` is; where it stays lost every answer after that is `degraded`."""
    rate, healthy_s, lost_s = stage.size((100, 20, 60), (40, 1, 3))
    healthy = await site.drive(rate, healthy_s)
    await lose()
    run = await site.drive(rate, lost_s)
    p99, longest = run.latency.at([99, 100])
    usual, later = typical_ms(healthy.series.seconds[2:]), typical_ms(run.series.seconds[SETTLED_S:])
    claims = all_answered(run)
    if degraded:
        claims.append(share("degraded", run.degraded, run.statuses[200], least=100))
    claims += [
        share("degraded before", healthy.degraded, healthy.statuses[200], most=0),
        timed("p99", p99, most=DEADLINE_MS + 25),
        timed("the latest", longest, most=DEADLINE_MS + 100),
        number("answers that had waited for it", fates(run, lost, "late"), most=rate * DEADLINE_MS // 1000 + IN_A_ROW),
    ]
    if usual and later:
        claims.append(measured("p50 once its breaker is open, of that before", later / usual, most=1.1))
    return claims


SCENARIOS = (
    Scenario("G1", "stopped-worker", "SIGSTOP to one of five workers, 100/s for 60 s, D 200 ms", 90, stopped_worker),
    Scenario("G1", "replaced-worker", "the same with the supervisor's watch, as by default", 90, replaced_worker),
    Scenario("G1", "black-hole", "the way to one of five servers is a black hole, 100/s for 60 s", 90, black_hole),
    Scenario(
        "G1",
        "dropped-packets",
        "nft drops what is sent to one of five servers, 100/s for 60 s",
        90,
        dropped_packets,
        lacks_nft,
    ),
)

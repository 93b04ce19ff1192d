"""G2: two of five workers are killed while requests come; they are back in about a second."""

import asyncio
import signal

from benchmarks.claims import Claim
from tests.chaos.figures import measured, number, timed
from tests.chaos.runs import all_answered, fates, typical_ms
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import DEADLINE_MS, five

KILLED = ("forest", "mlp")
BACK_S = 2
FEW = 5 + 5  # until a breaker would open, and probes


async def two_killed(stage: Stage) -> list[Claim]:
    """Nobody but the answers that were under way may notice, and those only by a member that is missing."""
    rate, seconds, healthy = stage.size((300, 100, 20), (50, 4, 1))
    async with stage.serve(five(timeout_ms=stage.size(DEADLINE_MS, 1000))) as site:
        async with site.under(rate) as run:
            await asyncio.sleep(healthy)
            await site.signal(signal.SIGKILL, *KILLED)
            await asyncio.sleep(seconds - healthy)
        await site.until("ready", *KILLED)
    before, after = run.series.seconds[2:healthy], run.series.seconds[healthy + BACK_S :]
    claims = all_answered(run)
    claims += [
        timed("p99", run.latency.at([99])[0], most=DEADLINE_MS),
        number("calls to one that was dead", max(fates(run, name, "failed") for name in KILLED), most=FEW),
        number("answers with it skipped", max(fates(run, name, "skipped") for name in KILLED)),
    ]
    if before:
        claims.append(
            measured(f"p50 from {BACK_S} s on, of that before", typical_ms(after) / typical_ms(before), most=1.1)
        )
    return claims


SCENARIOS = (Scenario("G2", "two-killed", "SIGKILL to two of five workers, 300/s, 30,000 requests", 110, two_killed),)

"""G2: workers are killed while requests come; each is back in about a second."""

import asyncio
import signal

from benchmarks.claims import Claim
from tests.chaos.figures import exactly, share, timed
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import DEADLINE_MS, five

TWO = ("forest", "mlp")


async def two_killed(stage: Stage) -> list[Claim]:
    """Nobody but the answers that were under way may notice, and those only by a member that is missing."""
    rate, seconds, healthy = stage.size((300, 100, 10), (50, 4, 1))
    async with stage.serve(five()) as site:
        load = asyncio.create_task(site.drive(rate, seconds))
        await asyncio.sleep(healthy)
        await site.signal(signal.SIGKILL, *TWO)
        run = await load
    return [
        share("answered 200", run.statuses[200], run.offered, least=100),
        exactly("answers of another status, and requests without one", run.offered - run.statuses[200], 0),
        timed("p99", run.latency.at([99])[0], most=DEADLINE_MS),
    ]


SCENARIOS = (
    Scenario("G2", "two-killed", "two of five workers killed under load, 300/s, 30,000 requests", 110, two_killed),
)

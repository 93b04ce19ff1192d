"""G3: four of five workers are killed, and killed again: the quorum of 3 is impossible, and that is said at once."""

import asyncio
import os
import signal
from contextlib import suppress

from benchmarks.chorus import MEMBERS
from benchmarks.claims import Claim
from tests.chaos.figures import exactly, holds, share, timed
from tests.chaos.runs import p99
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site
from tests.chaos.tables import five

KILLED = MEMBERS[1:]
PATIENT_MS = 30_000  # nobody waits for it
AGAIN_S = 0.05
ENOUGH = 3  # of five, and there is no quorum whatever the others say
REASONS = {"away", "connect", "reset"}


async def four_killed(stage: Stage) -> list[Claim]:
    """As often as the supervisor starts them."""
    rate, seconds = stage.size((100, 30), (40, 2))
    async with stage.serve(five(timeout_ms=PATIENT_MS)) as site:
        killing = asyncio.create_task(_keep_killing(site))
        await site.until("away", *KILLED)
        run = await site.record(rate, seconds)
        _, headers, _ = await site.answer("/predict", site.body())
        killing.cancel()
        await site.until("ready", *KILLED)
        back = await site.drive(20, 0.5)
    refused = [one.said["members"].values() for one in run.answers if one.status == 503]
    lacking = [[one["reason"] for one in members if one["fate"] in ("failed", "skipped")] for members in refused]
    named = sum(len(reasons) >= ENOUGH and set(reasons) <= REASONS for reasons in lacking)
    late = sum(one["fate"] == "late" for members in refused for one in members)
    return [
        share("503", len(refused), run.offered, least=100),
        share("of which say why each of those that they lack is missing", named, len(refused), least=100),
        exactly("members that somebody had waited for until the deadline", late, 0),
        holds("with Retry-After", held=headers.get("Retry-After", "").isdigit()),
        timed("p99 of a 503", p99(run.refusal), most=50),
        share("answered 200 once they are back", back.statuses[200], back.offered, least=100),
    ]


async def _keep_killing(site: Site) -> None:
    while True:
        pids = await asyncio.to_thread(site.server.pids)
        for name in KILLED:
            with suppress(ProcessLookupError, KeyError):
                os.kill(pids[name], signal.SIGKILL)
        await asyncio.sleep(AGAIN_S)


SCENARIOS = (
    Scenario("G3", "four-killed", "SIGKILL to four of five workers, again and again, 100/s for 30 s", 50, four_killed),
)

"""G10: a member that goes and comes is probed by one call at a time, and soon back in the vote."""

import asyncio
from dataclasses import dataclass
from time import perf_counter

from benchmarks.claims import Claim
from tests.chaos.faults import NONE, Faults
from tests.chaos.figures import exactly, holds, timed
from tests.chaos.proxy import Seen
from tests.chaos.remotes import FIVE, ROW, remotes
from tests.chaos.runs import Answered, all_answered
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import DEADLINE_MS

FLAPPING = "a"


@dataclass(frozen=True, slots=True)
class Outage:
    """From when to when it was down."""

    began: float
    ended: float


async def flapping(stage: Stage) -> list[Claim]:
    """Down means that calls to it are lost; what is up must answer again once it is asked."""
    rate, outages, down_s, up_s = stage.size((100, 6, 5.0, 9.0), (40, 1, 2.0, 4.0))
    deadline_ms = stage.size(DEADLINE_MS, 500)
    async with remotes() as far, stage.serve(far.tables(timeout_ms=deadline_ms), rows=ROW) as site:
        await site.until("ready", *FIVE)
        await site.drive(rate, stage.size(5, 1))
        running = asyncio.create_task(site.record(rate, (down_s + up_s) * outages))
        was_down = []
        for _ in range(outages):
            far.ways[FLAPPING].faults = Faults(hole=True)
            began = perf_counter()
            await asyncio.sleep(down_s)
            far.ways[FLAPPING].faults = NONE
            was_down.append(Outage(began, perf_counter()))
            await asyncio.sleep(up_s)
        run = await running
        replica = next(iter((await site.backend(FLAPPING))["replicas"].values()))
        seen = [one for one in far.ways[FLAPPING].seen if one.id]
    back = [_back(run.answers, outage) for outage in was_down]
    opened = 2 * deadline_ms / 1e3  # the fifth that is late opens it
    at_once = max(_at_once(seen, Outage(outage.began + opened, outage.ended)) for outage in was_down)
    longest_ms = 1e3 * (1.5 * 2 ** (int(down_s).bit_length() - 1) + 1)
    return [
        *all_answered(run),
        holds("it was back in the vote each time", held=None not in back),
        exactly("times that it was needed for the quorum", replica["panics"], 0),
        holds("it was probed by one call at a time", held=at_once <= 1),
        timed("after it was up again, the longest", 1e3 * max(one or 0.0 for one in back), most=longest_ms),
    ]


def _back(answers: list[Answered], outage: Outage) -> float | None:
    """How long after an outage it was first in an answer."""
    for answer in answers:
        if answer.came > outage.ended and answer.said["members"][FLAPPING]["fate"] == "ok":
            return answer.came - outage.ended
    return None


def _at_once(seen: list[Seen], outage: Outage) -> int:
    """The most calls that came in an outage and were under way together."""
    came = [one for one in seen if outage.began < one.came < outage.ended]
    ends = [one.left or one.ended or float("inf") for one in came]
    return max(
        (sum(other.came <= one.came < end for other, end in zip(came, ends, strict=True)) for one in came), default=0
    )


SCENARIOS = (
    Scenario("G10", "flapping", "one of five is down for 5 s and up for 9 s, six times; 100/s", 105, flapping),
)

"""G7: every call carries what is left of its caller's time, and nothing is asked for whoever has none left."""

import asyncio
import random

from benchmarks.claims import Claim
from server.bench.answers import read_v1
from server.bench.load import Load
from tests.chaos.figures import exactly, share
from tests.chaos.remotes import FIVE, ROW, remotes
from tests.chaos.runs import all_answered
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site

HEADER = "X-Request-Timeout-Ms"
RESERVE, LEAST_RESERVE_MS = 0.03, 2  # of what remains, kept to write the answer
MOST_MS = 60_000
EXPIRED_MS, BODY_S = 20, 0.1
MALFORMED = ("0", "-5", "abc", "1 s", "")


async def budgets(stage: Stage) -> list[Claim]:
    """The proxies see the headers that members are asked with."""
    rate, seconds, expired = stage.size((100, 30, 100), (40, 2, 5))
    chance = random.Random(7)
    async with remotes() as far, stage.serve(far.tables(), rows=ROW) as site:
        await site.until("ready", *FIVE)
        asked = {f"asked-{number}": chance.randint(1000, 3 * MOST_MS) for number in range(int(rate * seconds))}
        requests = [
            site.target.post("/predict", site.body(), {HEADER: str(ms), "X-Request-Id": name})
            for name, ms in asked.items()
        ]
        run = await site.drive(rate, seconds, Load(site.target, tuple(requests), read_v1))
        calls = [
            (asked[one.id], int(one.request.headers[HEADER.lower()]))
            for name in FIVE
            for one in far.calls(name).values()
        ]
        late = [await _slow_body(site, number) for number in range(expired)]
        wrong = [
            (await site.ask("/predict", site.body(), **{HEADER: words, "X-Request-Id": f"wrong-{n}"}))[0]
            for n, words in enumerate(MALFORMED)
        ]
        for_nobody = sum(one.id.startswith(("late-", "wrong-")) for way in far.ways.values() for one in way.seen)
    too_much = sum(
        got > min(ms, MOST_MS) - max(LEAST_RESERVE_MS, int(RESERVE * min(ms, MOST_MS)) - 1) for ms, got in calls
    )
    return [
        *all_answered(run),
        exactly("calls", len(calls), len(FIVE) * run.offered),
        exactly("calls told more than what remained, or more than the server's most", too_much, 0),
        share("504 for a body that came after the deadline", late.count(504), expired, least=100),
        share("400 for a header that is no time", wrong.count(400), len(MALFORMED), least=100),
        exactly("calls for these", for_nobody, 0),
    ]


async def _slow_body(site: Site, number: int) -> int:
    """The status of a request whose body comes after its deadline."""
    whole = site.target.post("/predict", site.body(), {HEADER: str(EXPIRED_MS), "X-Request-Id": f"late-{number}"})
    reader, writer = await asyncio.open_connection(site.target.host, site.target.port)
    writer.write(whole[:-10])
    await asyncio.sleep(BODY_S)
    writer.write(whole[-10:])
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


SCENARIOS = (
    Scenario(
        "G7", "budgets", "five members whose ways are watched, 3,000 requests with times of their own", 45, budgets
    ),
)

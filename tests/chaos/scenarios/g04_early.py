"""G4: a vote that is decided does not wait for three that are slow, and lets go of them."""

from benchmarks.claims import Claim
from server.bench.latencies import Latencies
from tests.chaos.figures import share, timed
from tests.chaos.remotes import FIVE, ROW, remotes
from tests.chaos.runs import all_answered
from tests.chaos.scenario import Scenario, Stage

QUICK, SLOW = ("a", "b"), ("c", "d", "e")
SLOW_S = 5.0
WEIGHTS = "{ a = 2, b = 2 }"  # of 7: both together decide


async def decided(stage: Stage) -> list[Claim]:
    """Each answer is held against the moments at which the members' own passed the proxies."""
    rate, seconds = stage.size((20, 30), (10, 2))
    async with remotes() as far:
        for name in SLOW:
            far.servers[name].delay = lambda: SLOW_S
        tables = far.tables(rule='"hard"', quorum=2, weights=WEIGHTS, timeout_ms=1000 * SLOW_S)
        async with stage.serve(tables, rows=ROW) as site:
            await site.until("ready", *FIVE)
            run = await site.record(rate, seconds)
            await site.idle(*SLOW)
        calls = {name: far.calls(name) for name in FIVE}
    losers = [(answer, calls[name][answer.id]) for answer in run.answers for name in SLOW if answer.id in calls[name]]
    after, closed = Latencies(), Latencies()
    for answer in run.answers:
        after.record(answer.came - max(calls[name][answer.id].answered or 0.0 for name in QUICK))
    for answer, loser in losers:
        closed.record((loser.left or float("inf")) - answer.came)
    return [
        *all_answered(run),
        share("decided", run.outcomes["decided"], run.offered, least=100),
        share("degraded", run.degraded, run.offered, most=0),
        share(
            "losers who saw their socket closed", sum(one.left is not None for _, one in losers), len(losers), least=100
        ),
        timed("after the deciding answer, p50", after.at([50])[0], most=2),
        timed("until a loser saw it, p99", closed.at([99])[0], most=20),
    ]


SCENARIOS = (Scenario("G4", "decided-vote", "two of five decide a vote, three take 5 s; 20/s for 30 s", 45, decided),)

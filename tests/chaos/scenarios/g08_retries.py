"""G8: second tries do not make an outage worse: of a model alone there are few, in an ensemble with a quorum none."""

from benchmarks.claims import Claim
from tests.chaos.faults import Faults
from tests.chaos.figures import counted, exactly, measured, share
from tests.chaos.hostile import broken
from tests.chaos.remotes import FIVE, INFER, ROW, remotes
from tests.chaos.runs import all_answered
from tests.chaos.scenario import Scenario, Stage

MOST_CALLS = 1.12  # for each request
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
            calls = sum(one.request.path.endswith(INFER) for one in way.seen) - before
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


SCENARIOS = (
    Scenario(
        "G8", "retries-alone", "a model alone, 100/s: for 30 s half of the calls are reset, for 30 s all", 75, alone
    ),
    Scenario("G8", "retries-in-a-vote", "one of five, half of whose calls are reset, 100/s for 30 s", 45, in_ensemble),
)

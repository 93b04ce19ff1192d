"""G12: a member that answers with nonsense, poison or without end is a failed member, and nothing else happens."""

import math
from collections import Counter

from benchmarks.claims import Claim
from tests.chaos.faults import Faults
from tests.chaos.figures import exactly, measured, share, timed
from tests.chaos.hostile import answers
from tests.chaos.proxy import Proxy
from tests.chaos.remotes import FIVE, INFER, ROW, remotes
from tests.chaos.runs import Answered
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.watching import watching

HOSTILE = "e"
MOST_GROWN_MB = 20
MOST_LAG_MS = 20
ANSWER_MS = 200


async def hostile(stage: Stage) -> list[Claim]:
    """Each answer in turn, from one of five whose breaker is off, so that all of them are read.

    The server keeps the last 1,000 requests, and that takes memory whatever members say: so there are as many before.
    """
    rate, seconds = stage.size((20, 3), (20, 0.1))
    before_rate, before_s = stage.size((100, 12), (20, 1))
    unlike: Counter[str] = Counter()
    said: list[Answered] = []
    async with (
        remotes() as far,
        Proxy() as canary,
        stage.serve(far.tables("breaker = false", timeout_ms=stage.size(ANSWER_MS, 1000)), rows=ROW) as site,
    ):
        await site.until("ready", *FIVE)
        await site.drive(before_rate, before_s, site.load(explain=True))
        wrong = answers(canary.url)
        async with watching(site) as watched:
            for one in wrong:
                far.ways[HOSTILE].faults = Faults(answer=one.answer, to=INFER)
                run = await site.record(rate, seconds, site.load(explain=True))
                unlike += Counter(
                    f"{one.name}: {found}" for answer in run.answers if (found := _fate(answer)) != one.fate
                )
                unlike += Counter({f"{one.name}: no answer": run.errors.total()})
                said += run.answers
        led = canary.accepted
    alive = watched.alive
    names = "; ".join(f"{words} ({count})" for words, count in unlike.items())
    return [
        share("answered 200, from the other four", sum(one.status == 200 for one in said), len(said), least=100),
        exactly(f"members said to be anything but what they were{f' ({names})' if names else ''}", unlike.total(), 0),
        exactly("numbers in answers that are none", sum(not _finite(one.said) for one in said), 0),
        exactly("connections to where a redirect led", led, 0),
        exactly("answers of /livez that failed", alive.offered - alive.statuses[200], 0),
        measured("memory of the front, at most more than before", watched.grown_mb, most=MOST_GROWN_MB, unit=" MB"),
        timed("the server's event loop, the latest that it was", watched.lag_ms, most=MOST_LAG_MS),
        timed("/livez meanwhile, the longest", alive.latency.at([100])[0]),
        timed("of which the generator's own event loop may have been the cause", alive.lag.at([100])[0]),
    ]


def _fate(answer: Answered) -> str:
    """What is said of the hostile one."""
    member = answer.said["members"][HOSTILE]
    return f"{member['fate']}: {member.get('reason', '')}"


def _finite(value: object) -> bool:
    """Whether all numbers are; JSON knows no others, but Python reads them."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


async def poisoned_metadata(stage: Stage) -> list[Claim]:
    """The same answers to whoever asks for metadata, at the start of the server: it waits for nobody."""
    said: list[Answered] = []
    async with remotes() as far, Proxy() as canary:
        wrong = stage.size(answers(canary.url), answers(canary.url)[::5])
        for one in wrong:
            far.ways[HOSTILE].faults = Faults(answer=one.answer)
            async with stage.serve(far.tables(timeout_ms=stage.size(ANSWER_MS, 1000)), rows=ROW) as site:
                await site.until("ready", *FIVE[:-1])
                said += (await site.record(20, stage.size(2, 0.2))).answers
        led = canary.accepted
    skipped = sum(_fate(one).startswith(("skipped", "failed")) for one in said)
    return [
        share("answered 200, from the other four", sum(one.status == 200 for one in said), len(said), least=100),
        share("of which without it", skipped, len(said), least=100),
        exactly("connections to where a redirect led", led, 0),
    ]


SCENARIOS = (
    Scenario("G12", "hostile-answers", "one of five gives 28 kinds of nonsense, 20/s for 3 s each", 120, hostile),
    Scenario("G12", "hostile-metadata", "the same answers where a server asks for metadata", 150, poisoned_metadata),
)

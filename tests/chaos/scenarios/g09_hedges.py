"""G9: two replicas, of whose calls one in a hundred stalls: hedges cut the tail for two calls in a hundred."""

import random
from collections.abc import Callable

from benchmarks.claims import Claim
from server.bench.measured import Measured
from tests.chaos.figures import counted, exactly, measured
from tests.chaos.proxy import Proxy
from tests.chaos.remotes import INFER, ROW
from tests.chaos.runs import all_answered
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import far
from tests.there import server

P99_S = 0.04
STALL = 10  # times that
ONE_IN = 100
MOST_EXTRA = 1.02
PATIENT_MS = 10_000
NEVER = ("hedge = true\ncost = 0.01\n", "hedge = true\nidempotent = false\n")


async def stalls(stage: Stage) -> list[Claim]:
    """The same load without hedges and with them; then for models that may not be hedged."""
    rate, seconds, warm = stage.size((150, 60, 5), (100, 1.5, 0.5))

    async def run(settings: str) -> tuple[Measured, float]:
        """What the callers saw, and how many calls came to each request."""
        async with server() as one, server() as other, Proxy(one.address) as a, Proxy(other.address) as b:
            one.delay = other.delay = _takes(random.Random(7))
            tables = far("m", a.url, b.url, limit=64) + settings
            async with stage.serve(tables, rows=ROW) as site:
                await site.until("ready", "m")
                load = site.load(timeout_ms=PATIENT_MS)
                await site.drive(rate, warm, load)
                before = _calls(a, b)
                measured = await site.drive(rate, seconds, load)
                return measured, (_calls(a, b) - before) / measured.offered

    plain, _ = await run("hedge = false\n")
    hedged, calls = await run("hedge = true\n")
    started = [settings for settings in NEVER if await _starts(stage, settings)]
    slow, fast = plain.latency.at([99.9])[0], hedged.latency.at([99.9])[0]
    return [
        *all_answered(hedged),
        counted("calls for each request", calls, most=MOST_EXTRA),
        measured("p99.9 without hedges", slow, unit=" ms"),
        measured("p99.9 with them", fast, unit=" ms"),
        measured("how many times it was", slow / fast, least=5),
        exactly("servers that start with a hedge for what costs, or may be done only once", len(started), 0),
    ]


async def _starts(stage: Stage, settings: str) -> bool:
    """Whether a server starts with these settings, for it refuses mistakes."""
    try:
        async with stage.serve(far("m", "http://127.0.0.1:1") + settings, rows=ROW):
            return True
    except RuntimeError:  # it says that it is not ready, and why
        return False


def _takes(chance: random.Random) -> Callable[[], float]:
    def takes() -> float:
        if chance.random() < 1 / ONE_IN:
            return STALL * P99_S
        return min(chance.lognormvariate(0, 0.4) / 2.54, 1.0) * P99_S  # whose own 99th percentile is P99_S

    return takes


def _calls(*ways: Proxy) -> int:
    return sum(one.request.path.endswith(INFER) for way in ways for one in way.seen)


SCENARIOS = (
    Scenario("G9", "hedges", "two replicas, p99 40 ms, 1 % of the calls take 400 ms; 150/s for 60 s", 210, stalls),
)

"""G12b: what an ensemble answers is what its members said, computed anew from nothing but their own answers."""

import asyncio
import math
import signal
from collections.abc import Callable, Sequence

from benchmarks.chorus import MEMBERS, ensemble
from benchmarks.claims import Claim
from tests.chaos.figures import counted, exactly, share
from tests.chaos.runs import Answered
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.tables import DEADLINE_MS, five

WEIGHTS = {"forest": 2.0, "mlp": 0.5}
TABLE = "{ " + ", ".join(f"{name} = {weight}" for name, weight in WEIGHTS.items()) + " }"
PRECISION = 1e-12
FLOOR = 1e-3  # of the logarithmic pool with two labels

Votes = Sequence[tuple[float, Sequence[float]]]
"""The weight and the probabilities of each member that answered."""


def soft(votes: Votes) -> list[float]:
    """The weighted mean."""
    total = math.fsum(weight for weight, _ in votes)
    return [math.fsum(weight * said[at] for weight, said in votes) / total for at in range(2)]


def log_pool(votes: Votes) -> list[float]:
    """The weighted geometric mean, renormalised."""
    total = math.fsum(weight for weight, _ in votes)
    means = [math.fsum(w * math.log(max(said[at], FLOOR)) for w, said in votes) / total for at in range(2)]
    pooled = list(map(math.exp, means))
    return [one / math.fsum(pooled) for one in pooled]


def hard(votes: Votes) -> list[float]:
    """The share of the votes."""
    total = math.fsum(weight for weight, _ in votes)
    return [math.fsum(w for w, said in votes if (said[1] > said[0]) == bool(at)) / total for at in range(2)]


RULES: dict[str, Callable[[Votes], list[float]]] = {"soft": soft, "log_pool": log_pool, "hard": hard}


async def recomputed(stage: Stage) -> list[Claim]:
    """While all are well, while one is stopped, and while two are killed."""
    rate, seconds = stage.size((60, 10), (30, 1))
    timeout_ms = stage.size(DEADLINE_MS, 500)
    tables = five(timeout_ms=timeout_ms)
    for rule in RULES:
        tables += ensemble(MEMBERS, f"by-{rule}", rule=f'"{rule}"', quorum=2, weights=TABLE, timeout_ms=timeout_ms)
    said: dict[str, list[Answered]] = {}
    async with stage.serve(tables) as site:

        async def ask() -> None:
            loads = [site.load(f"by-{rule}", explain=True) for rule in RULES]
            runs = await asyncio.gather(*(site.record(rate / len(loads), seconds, load) for load in loads))
            for rule, run in zip(RULES, runs, strict=True):
                said.setdefault(rule, []).extend(run.answers)

        await ask()
        await site.signal(signal.SIGSTOP, "forest")
        await ask()
        await site.signal(signal.SIGCONT, "forest")
        await site.signal(signal.SIGKILL, "mlp", "logreg")
        await ask()
    everything = [one.said for answers in said.values() for one in answers if one.status == 200]
    away = [_distance(rule, one.said) for rule, answers in said.items() for one in answers if one.status == 200]
    partial = [one["outcome"]["degraded"] for one in everything if one["outcome"]["status"] == "partial"]
    whole = [one["outcome"]["degraded"] for one in everything if one["outcome"]["status"] in ("complete", "decided")]
    return [
        share("answered 200", len(everything), sum(map(len, said.values())), least=100),
        counted("furthest from what was computed offline", max(away), most=PRECISION),
        share("degraded, of partial answers", sum(partial), len(partial), least=100),
        share("degraded, of whole ones", sum(whole), len(whole), most=0),
        exactly("answers of neither kind", len(everything) - len(partial) - len(whole), 0),
    ]


def _distance(rule: str, said: dict[str, object]) -> float:
    """Between the probabilities and those that the members' own come to."""
    members = said["members"]
    assert isinstance(members, dict)
    votes = [(WEIGHTS.get(name, 1.0), one["probabilities"][0]) for name, one in members.items() if one["fate"] == "ok"]
    ours, theirs = RULES[rule](votes), said["probabilities"]
    assert isinstance(theirs, list)
    return float(max(abs(one - other) for one, other in zip(ours, theirs[0], strict=True)))


SCENARIOS = (
    Scenario(
        "G12b", "recomputed", "five workers by three rules, 60/s: all well, one stopped, two killed", 45, recomputed
    ),
)

"""One of five members takes 500 ms for one call in ten, and the deadline is 100 ms.

That member is behind an address in both runs, with the lateness and without, so that the ratios are of that alone. What
an address answers is batched only where its table says so, as here: it is known to answer row by row.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack

from benchmarks import chorus
from benchmarks.alternation import Figures, Of
from benchmarks.bench import JSON, START_SECONDS, Bench, Options, Result, Scenario, answer_size
from benchmarks.bodies import json_body
from benchmarks.claims import Bound, Claim
from benchmarks.contestants import UNDEGRADED, Driven, Sample
from benchmarks.details import figures_table, latency, with_spread
from benchmarks.spread import pairwise
from benchmarks.table import table
from benchmarks.wrk import Load
from models.registry import Registry

ELSEWHERE = "xgboost"
SHARE, LATE_SECONDS, DEADLINE_MS = 0.1, 0.5, 100
BEYOND_MS = 10  # the deadline, for an answer to leave and arrive
HELLO = "hello"
RULES = {"pool": "log_pool", "hard": "hard"}
STEADY, LATE = "steady", "straggler"
STATUSES = ("complete", "decided", "partial")


def connections(options: Options) -> tuple[int, ...]:
    return (16,) if options.quick else (16, 64)


def expected(options: Options) -> float:
    return START_SECONDS + options.times.expected(5, len(connections(options)))


def run(bench: Bench) -> Result:
    counts = connections(bench.options)
    with ExitStack() as opened:
        contestants = [*driven(bench, opened, STEADY, 0.0), *driven(bench, opened, LATE, SHARE)]
        size = answer_size(contestants[0].servers[0].origin, json_body(bench.rows[:1]))
        hello = opened.enter_context(bench.baseline("hello", "hello", str(size)))
        figures = bench.alternate([Driven(HELLO, (hello,), bench.one_row(hello)), *contestants], counts)
    return Result(tuple(claims(figures, counts)), f"{figures_table(figures)}\n\n{statuses_table(figures)}")


def driven(bench: Bench, opened: ExitStack, kind: str, share: float) -> list[Driven]:
    """A Chorus with four workers and one member elsewhere, once for each rule."""
    arguments = (str(bench.registry), ELSEWHERE, str(share), str(LATE_SECONDS))
    elsewhere = opened.enter_context(bench.baseline(f"{kind}-member", "straggler", *arguments))
    tables = "".join(chorus.local(name, inline=False) for name in chorus.MEMBERS if name != ELSEWHERE)
    tables += remote(Registry(bench.registry), elsewhere.origin)
    tables += "".join(
        chorus.ensemble(chorus.MEMBERS, name, rule=f'"{rule}"', timeout_ms=DEADLINE_MS) for name, rule in RULES.items()
    )
    server = opened.enter_context(bench.chorus(kind, tables))
    return [
        Driven(f"{name}, {kind}", (server,), load_of(bench, server.origin, name), is_chorus=True, strict=False)
        for name in RULES
    ]


def load_of(bench: Bench, origin: str, name: str) -> Load:
    return Load(f"{origin}/v1/models/{name}:predict", bench.single_rows, JSON)


def remote(registry: Registry, origin: str) -> str:
    """The table of the member that is elsewhere."""
    signature = registry.manifest(f"breast-cancer/{ELSEWHERE}").signature
    features, labels = list(signature.features), list(signature.labels)
    where = f'url = "{origin}"\nmodel = "{ELSEWHERE}"\nbatch = true\n'
    return f"[backends.{ELSEWHERE}]\n{where}features = {features}\nlabels = {labels}\n"


def claims(figures: Figures, counts: Iterable[int]) -> Iterable[Claim]:
    p99, p999 = latency(0.99), latency(0.999)
    for count in counts:
        for name in (f"{rule}, {kind}" for kind in (STEADY, LATE) for rule in RULES):
            yield Claim(f"errors at {count}: {name}", figures.spread(name, count, errors), Bound(most=0), exact=True)
        pool, hard = (f"{rule}, {LATE}" for rule in RULES)
        beyond = pairwise(lambda a, b: a - b, figures.each(pool, count, p999), figures.each(HELLO, count, p999))
        yield Claim(f"p99.9 at {count}: {pool} - hello", beyond, Bound(DEADLINE_MS + BEYOND_MS), " ms")
        for name in (pool, hard):
            share = figures.spread(name, count, percent(*UNDEGRADED))
            yield Claim(f"complete or decided at {count}: {name}", share, Bound(least=85), " %")
        rates = figures.ratio(pool, f"pool, {STEADY}", count, lambda sample: sample.rate)
        yield Claim(f"throughput at {count}: {pool} / {STEADY}", rates, Bound(least=0.5))
        tails = figures.ratio(hard, f"hard, {STEADY}", count, p99)
        yield Claim(f"p99 at {count}: {hard} / {STEADY}", tails, Bound(most=2))


def errors(sample: Sample) -> float:
    return sum(sample.failed.values())


def percent(*statuses: str) -> Of:
    """What share of the requests was answered with one of `statuses`, in percent."""
    return lambda sample: 100 * sample.share_of(*statuses)


def statuses_table(figures: Figures) -> str:
    """What share of the requests was answered how, and how many with an error."""
    lines = []
    for name, count in figures:
        if name != HELLO:
            shares = [with_spread(figures.spread(name, count, percent(status))) for status in STATUSES]
            lines.append((name, str(count), *shares, other_statuses(figures.samples(name, count))))
    return table(("", "connections", *(f"{status} %" for status in STATUSES), "errors"), lines)


def other_statuses(samples: Iterable[Sample]) -> str:
    """The errors of all alternations by their kind."""
    kinds = sum((Counter(sample.statuses) for sample in samples), Counter[str]())
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()) if kind not in STATUSES)


SCENARIO = Scenario(
    "straggler",
    f"one of five members takes {LATE_SECONDS:g} s for {SHARE:.0%} of its calls; the deadline is {DEADLINE_MS} ms",
    expected,
    run,
)

"""One row in each request: what an answer of five members costs, next to no model at all and next to `gather`."""

from collections.abc import Iterable
from contextlib import ExitStack

from benchmarks import chorus
from benchmarks.alternation import Figures
from benchmarks.bench import START_SECONDS, Bench, Options, Result, Scenario, answer_size
from benchmarks.bodies import json_body
from benchmarks.claims import Bound, Claim
from benchmarks.contestants import Driven, Sample
from benchmarks.details import figures_table

HELLO, PROCESSES, INLINE = "hello", "chorus", "chorus inline"
GATHER, ORIGINALS = "gather", "gather originals"
ALONE, FULL = 1, 64


def connections(options: Options) -> tuple[int, ...]:
    return (ALONE, FULL) if options.quick else (ALONE, 8, FULL)


def expected(options: Options) -> float:
    contestants = 4 if options.quick else 5
    return START_SECONDS + options.times.expected(contestants, len(connections(options)))


def run(bench: Bench) -> Result:
    with ExitStack() as opened:
        inline = opened.enter_context(bench.five(inline=True))
        processes = opened.enter_context(bench.five(inline=False))
        size = answer_size(processes.origin, json_body(bench.rows[:1]))
        hello = opened.enter_context(bench.baseline("hello", "hello", str(size)))
        contestants = [
            Driven(HELLO, (hello,), bench.one_row(hello)),
            Driven(INLINE, (inline,), bench.one_row(inline), is_chorus=True),
            Driven(PROCESSES, (processes,), bench.one_row(processes), is_chorus=True),
            gather(bench, opened, GATHER, "compiled"),
        ]
        if not bench.options.quick:
            contestants.append(gather(bench, opened, ORIGINALS, "original"))
        figures = bench.alternate(contestants, connections(bench.options))
    return Result(tuple(claims(figures)), figures_table(figures))


def gather(bench: Bench, opened: ExitStack, name: str, kind: str) -> Driven:
    """Five model servers, and the program that asks them."""
    members = [opened.enter_context(bench.member(member, kind)) for member in chorus.MEMBERS]
    urls = [f"{member.origin}/predict" for member in members]
    front = opened.enter_context(bench.baseline(f"gather-{kind}", "gather", *urls))
    return Driven(name, (front, *members), bench.one_row(front))


def claims(figures: Figures) -> Iterable[Claim]:
    cpu, rate = (lambda sample: sample.cpu_micros), (lambda sample: sample.rate)
    for name, most, least in ((PROCESSES, 3.5, 0.5), (INLINE, 2.5, 0.6)):
        yield Claim(f"CPU per request at {FULL}: {name} / hello", figures.ratio(name, HELLO, FULL, cpu), Bound(most))
        goal = Bound(least=least, goal=True)
        yield Claim(f"throughput at {FULL}: {name} / hello", figures.ratio(name, HELLO, FULL, rate), goal)
    for name in (PROCESSES, INLINE):
        against = figures.ratio(name, GATHER, FULL, rate)
        yield Claim(f"throughput at {FULL}: {name} / gather, same compiled models", against, Bound(least=4))
        if (ORIGINALS, FULL) in figures:
            against = figures.ratio(name, ORIGINALS, FULL, rate)
            yield Claim(f"throughput at {FULL}: {name} / gather, originals", against)
    for name, most in ((PROCESSES, 8), (INLINE, 3)):
        yield Claim(f"p50 at {ALONE}: {name} / hello", figures.ratio(name, HELLO, ALONE, p50), Bound(most))
    for name in (PROCESSES, INLINE):
        tail = figures.spread(name, FULL, lambda sample: sample.quantile_ms(0.99) / sample.quantile_ms(0.5))
        yield Claim(f"p99 / p50 at {FULL}: {name}", tail, Bound(3))


def p50(sample: Sample) -> float:
    return sample.quantile_ms(0.5)


SCENARIO = Scenario("one-row", "one row in each request, at 1, 8 and 64 connections", expected, run)

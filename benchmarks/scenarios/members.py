"""What each member adds to the cost of a request: ensembles of 2 to 32 inline members, aliases of the five models."""

from collections.abc import Iterable
from contextlib import ExitStack
from itertools import cycle, islice

from benchmarks import chorus
from benchmarks.alternation import Figures, expected_seconds
from benchmarks.bench import START_SECONDS, Bench, Options, Result, Scenario
from benchmarks.claims import Bound, Claim
from benchmarks.contestants import Driven
from benchmarks.details import figures_table
from benchmarks.process import Server
from benchmarks.spread import Spread

COUNTS = (2, 4, 8, 16, 32)
CONNECTIONS = (64,)
MOST_MICROS = 15
PATIENCE_MS = 10_000  # it is about the work, which should all be done, however long it takes


def expected(options: Options) -> float:
    return START_SECONDS + expected_seconds(
        len(COUNTS), len(CONNECTIONS), rounds=options.rounds, seconds=options.seconds
    )


def run(bench: Bench) -> Result:
    with ExitStack() as opened:
        contestants = []
        for count in COUNTS:
            server = opened.enter_context(start_chorus(bench, count))
            contestants.append(Driven(named(count), (server,), bench.one_row(server), is_chorus=True))
        bench.progress.step(START_SECONDS, "all are up")
        figures = bench.alternate(contestants, CONNECTIONS)
    return Result(tuple(claims(figures)), figures_table(figures))


def start_chorus(bench: Bench, count: int) -> Server:
    """`m1` to as many, the five models in turn."""
    models = {f"m{number + 1}": model for number, model in enumerate(islice(cycle(chorus.MEMBERS), count))}
    tables = "".join(chorus.local(name, inline=True, model=model) for name, model in models.items())
    tables += chorus.ensemble(models, timeout_ms=PATIENCE_MS)
    return chorus.start(f"members-{count}", tables, bench.registry, bench.folder)


def named(count: int) -> str:
    return f"{count} members"


def claims(figures: Figures) -> Iterable[Claim]:
    cpu = {count: figures.each(named(count), CONNECTIONS[0], lambda sample: sample.cpu_micros) for count in COUNTS}
    each = Spread(tuple((most - least) / 30 for least, most in zip(cpu[2], cpu[32], strict=True)))
    yield Claim("CPU per request and member, from 2 to 32", each, Bound(most=MOST_MICROS), " us")
    line = [least + (most - least) / 14 * 30 for least, most in zip(cpu[2], cpu[16], strict=True)]
    bend = Spread(tuple(there / straight for there, straight in zip(cpu[32], line, strict=True)))
    yield Claim("CPU per request with 32 / on the line through 2 and 16", bend, Bound(most=1.1))


SCENARIO = Scenario("members", "2 to 32 inline members, one row in each request", expected, run)

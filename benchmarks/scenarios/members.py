"""What each member adds to the cost of a request: ensembles of 2 to 32 inline members, aliases of the five models."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import cycle, islice

from benchmarks import chorus
from benchmarks.alternation import Figures
from benchmarks.bench import START_SECONDS, Bench, Options, Result, Scenario
from benchmarks.claims import Bound, Claim
from benchmarks.contestants import Driven
from benchmarks.details import figures_table
from benchmarks.process import Server
from benchmarks.spread import Spread

CONNECTIONS = 64
MOST_MICROS = 15
MOST_BEND = 1.1  # a straight line has 1; the rest is noise


def counts_of(options: Options) -> tuple[int, ...]:
    return (2, 16, 32) if options.quick else (2, 4, 8, 16, 32)


def expected(options: Options) -> float:
    return START_SECONDS + options.times.expected(len(counts_of(options)), 1)


def run(bench: Bench) -> Result:
    counts = counts_of(bench.options)
    with ExitStack() as opened:
        servers = [opened.enter_context(start_chorus(bench, count)) for count in counts]
        contestants = [
            Driven(named(count), (server,), bench.one_row(server), is_chorus=True)
            for count, server in zip(counts, servers, strict=True)
        ]
        figures = bench.alternate(contestants, (CONNECTIONS,))
    return Result(tuple(claims(figures, counts)), figures_table(figures))


def start_chorus(bench: Bench, count: int) -> Server:
    """`m1` to as many, the five models in turn."""
    models = {f"m{number + 1}": model for number, model in enumerate(islice(cycle(chorus.MEMBERS), count))}
    tables = "".join(chorus.local(name, inline=True, model=model) for name, model in models.items())
    return bench.chorus(f"members-{count}", tables + chorus.ensemble(models, timeout_ms=chorus.PATIENCE_MS))


def named(count: int) -> str:
    return f"{count} members"


def claims(figures: Figures, counts: Sequence[int]) -> Iterable[Claim]:
    least, middle, most = (
        figures.each(named(count), CONNECTIONS, lambda sample: sample.cpu_micros) for count in (2, 16, 32)
    )
    each = Spread(tuple((top - bottom) / 30 for bottom, top in zip(least, most, strict=True)))
    yield Claim("CPU per request and member, from 2 to 32", each, Bound(MOST_MICROS), " us")
    straight = [bottom + (half - bottom) / 14 * 30 for bottom, half in zip(least, middle, strict=True)]
    bend = Spread(tuple(top / line for top, line in zip(most, straight, strict=True)))
    yield Claim("CPU per request with 32, to the line through 2 and 16", bend, Bound(MOST_BEND))


SCENARIO = Scenario("members", "2 to 32 inline members, one row in each request", expected, run)

"""The figures behind the claims: what each contestant did, median and spread."""

from benchmarks.alternation import Figures, Of
from benchmarks.spread import Spread
from benchmarks.table import shown, table

HEADINGS = ("", "connections", "requests/s", "CPU us/request", "p50 ms", "p99 ms", "p99.9 ms")


def figures_table(figures: Figures) -> str:
    """One line for each contestant and number of connections, in the order in which they were measured."""
    return table(HEADINGS, [(name, str(count), *_cells(figures, name, count)) for name, count in figures])


def _cells(figures: Figures, name: str, count: int) -> list[str]:
    rate = figures.spread(name, count, lambda sample: sample.rate)
    cpu = figures.spread(name, count, lambda sample: sample.cpu_micros)
    cells = [with_spread(rate), with_spread(cpu)]
    if not all(figures.each(name, count, lambda sample: len(sample.counts))):
        return [*cells, "", "", ""]  # it was not asked over connections
    return cells + [with_spread(figures.spread(name, count, latency(share))) for share in (0.5, 0.99, 0.999)]


def latency(share: float) -> Of:
    """The quantile of `share`, in milliseconds."""
    return lambda sample: sample.quantile_ms(share)


def with_spread(spread: Spread) -> str:
    """The median, and the spread where there is more than one value."""
    return f"{shown(spread.median)} ({spread.relative:.0%})" if len(spread.values) > 1 else shown(spread.median)

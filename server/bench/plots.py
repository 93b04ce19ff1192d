"""Plots of a whole run, and of a ramp: pure functions from figures to SVG, which takes its colours from the page."""

import math
from collections.abc import Iterator, Mapping, Sequence

from server.bench.axes import (
    LEFT,
    RIGHT,
    WIDTH,
    Scale,
    Tick,
    across,
    box,
    dot,
    limit_line,
    plot,
    polyline,
    ticks,
    upwards,
)
from server.bench.latencies import LEVELS
from server.bench.markup import Safe, element, text
from server.bench.members import MemberSummary
from server.bench.ramp import Step
from server.bench.summary import Summary

NINES = 7
COLOURS = 8
BAR, ROW = 28.0, 36.0


def percentile_plot(result: Summary, objective_ms: float | None) -> Safe:
    """Latency by percentile; each step to the right is a tenth of the requests that were left."""
    places = [_nines(level) for level, _ in result.percentiles[:-1]]
    end = max([*places, 1.0]) + 0.15  # where the slowest of all is drawn, at 100
    x, y = across(0, end), upwards(max([ms for _, ms in result.percentiles], default=1.0))
    points = [(x.at(min(_nines(level), end)), y.at(ms)) for level, ms in result.percentiles]
    marks = {name: _nines(level) if level < 100 else end for name, level in LEVELS.items()}
    dots = [
        dot(x.at(marks[name]), y.at(ms), f"{name} {ms:.4g} ms", "blue")
        for name, ms in result.latency_ms.items()
        if marks[name] <= end
    ]
    shown = [tick for tick in _percents() if tick[0] <= end]
    drawn = [*limit_line(y, objective_ms), polyline(points, "blue"), *dots]
    return plot(x, shown, y, "ms", *drawn, title="latency by percentile")


def _percents() -> list[Tick]:
    """0, 50, 90, 99, 99.9 and so on."""
    nines = [(float(n), f"{100 - 10 ** (2 - n):.{max(0, n - 2)}f} %") for n in range(1, NINES)]
    return [(0.0, "0 %"), (_nines(50), "50 %"), *nines]


def ramp_plot(steps: Sequence[Step], objective_ms: float | None) -> Safe:
    """Each rate that was tried: its p99, and whether it held."""
    known = [step for step in steps if step.p99_ms is not None]
    top = max([step.p99_ms or 0 for step in known] + [objective_ms or 0], default=1.0)
    ceiling = min(top, 4 * objective_ms) if objective_ms else top  # what is far out would flatten all the rest
    x, y = across(0, max((step.rate for step in known), default=1.0) * 1.05), upwards(ceiling)
    dots = [
        dot(
            x.at(step.rate), y.at(min(step.p99_ms or 0, y.high)),
            f"{step.rate:g}/s: p99 {step.p99_ms:.4g} ms, {'held' if step.held else ', '.join(step.missed)}",
            "green" if step.held else "red",
        )
        for step in known
    ]  # fmt: skip
    return plot(x, ticks(x, 8), y, "ms", *limit_line(y, objective_ms), *dots, title="p99 by rate")


def wait_bars(members: Mapping[str, MemberSummary]) -> Safe:
    """Two bars: of all answers, whose was the last; of all waiting, what was for one alone, the rest for several."""
    answers = sum(member.last for member in members.values()) or 1
    last = {name: member.last / answers for name, member in members.items()}
    alone = {name: member.wait_share for name, member in members.items()}
    rows = [*_bar("last", 0, last, "{name} was the last in {share:.1%} of the answers")]
    rows += _bar("time", 1, alone, "{name}: {share:.1%} of the wait was for it alone")
    title = element("title", text("each member's share of the wait"))
    return element("svg", title, *rows, viewBox=f"0 0 {WIDTH:g} {2 * ROW:g}", role="img")


def _bar(label: str, row: int, shares: Mapping[str, float], words: str) -> Iterator[Safe]:
    x, start, top = Scale(0, 1, LEFT, RIGHT), 0.0, ROW * row + 4
    yield element("text", text(label), x=LEFT - 8, y=top + 19, text_anchor="end")
    for index, (name, share) in enumerate(shares.items()):
        said = words.format(name=name, share=share)
        yield box(x.at(start), top, x.at(start + share), top + BAR, said, f"c{index % COLOURS}")
        start += share
    if start < 1 - 1e-6:
        yield box(x.at(start), top, RIGHT, top + BAR, f"several at once: {1 - start:.1%}", "shared")


def _nines(level: float) -> float:
    return -math.log10(max(1 - level / 100, 1e-9))

"""A report on a console."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.bench.figures import number, percent
from server.bench.latencies import LEVELS
from server.bench.report import BenchReport
from server.bench.summary import Summary
from server.bench.words import counted, heading, outcomes, ramp_words, verdict
from server.commands.timeline import bar

WIDTH = 20  # characters of the whole wait


def print_report(console: Console, report: BenchReport) -> None:
    """What was asked, what came of it, and the verdict last."""
    result = report.result
    console.print(Text(f"\n{heading(report.asked)}", "bold"), soft_wrap=True)
    if report.ramp is not None:
        console.print(Text(ramp_words(report.ramp), "bold"), soft_wrap=True)
    console.print(Text(counted(result)), soft_wrap=True)
    if result.outcomes:
        console.print(Text(outcomes(result)), soft_wrap=True)
    console.print()
    console.print(_latencies(result))
    if result.members:
        console.print()
        console.print(_members(result))
    if report.doubt:
        console.print(Text(f"\nwarning: {report.doubt}", "yellow"), soft_wrap=True)
    if report.objective:
        style = "red" if report.missed else "green"
        console.print(Text(f"\n{verdict(report)}", style), soft_wrap=True)


def _latencies(result: Summary) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("milliseconds")
    for level in LEVELS:
        table.add_column(level, justify="right")
    for name, levels in (
        ("answers", result.latency_ms),
        ("refusals", result.refused_ms),
        ("the generator's own lag", result.generator.lag_ms),
    ):
        if levels:
            table.add_row(name, *(number(levels[level]) for level in LEVELS))
    return table


def _members(result: Summary) -> Table:
    table = Table(box=None, pad_edge=False)
    headings = ("member", "ok", "other fates", "p50 ms", "p99 ms", "last", "by ms", "share of the wait", "")
    for name in headings:
        table.add_column(name, justify="left" if name in ("member", "other fates", "") else "right")
    for name, member in result.members.items():
        fates = dict(member.fates)
        table.add_row(
            Text(name),
            str(fates.pop("ok", 0)),
            Text(", ".join(f"{fate} {count}" for fate, count in fates.items())),
            number(member.p50_ms),
            number(member.p99_ms),
            str(member.last),
            number(member.last_by_ms),
            percent(member.wait_share),
            Text(bar(0, member.wait_share, WIDTH), "blue") if member.wait_share else "",
        )
    return table

"""How a run is going, a line a second, on standard error. Drawn by hand: the generator is on the same thread."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import click

from server.bench.figures import percent
from server.bench.measured import Measured
from server.bench.ramp import Step
from server.bench.series import Second

LOOK_S = 0.2


async def show_seconds(loop: Coroutine[Any, Any, Measured], measured: Measured, seconds: float) -> None:
    """Run `loop`, and show each second when it is over."""
    running, shown = asyncio.create_task(loop), 0
    try:
        while not running.done():
            await asyncio.wait([running], timeout=LOOK_S)
            for second in measured.series.seconds[shown:]:
                click.echo(line_of(second, seconds), err=True)
                shown += 1
        running.result()
    finally:
        running.cancel()
        await asyncio.wait([running])


def line_of(second: Second, seconds: float) -> str:
    """`3/10 s  sent 100  answered 100  p50 4.21 ms  p99 9.3 ms`, and what went wrong, if it did."""
    words = [f"{second.second + 1:>4}/{seconds:g} s", f"sent {second.offered:<6}", f"answered {second.answered:<6}"]
    if second.p50_ms is not None and second.p99_ms is not None:
        words.append(f"p50 {second.p50_ms:<7.4g} p99 {second.p99_ms:.4g} ms")
    if second.refused:
        words.append(click.style(f"refused {second.refused}", fg="yellow"))
    if second.failed:
        words.append(click.style(f"failed {second.failed}", fg="red"))
    return "  ".join(words)


def show_step(step: Step) -> None:
    """`200/s  held  p99 9.3 ms, 100 % answered`, or what was missed."""
    found = f"p99 {step.p99_ms:.4g} ms, {percent(step.share)} answered" if step.p99_ms is not None else "no answer"
    verdict = click.style("held  ", fg="green") if step.held else click.style("missed", fg="red")
    words = found if step.held else ", ".join(step.missed)
    late = "" if step.held or step.doubt is None else click.style("  (the generator was late)", fg="yellow")
    click.echo(f"{step.rate:>8g}/s  {verdict}  {words}{late}", err=True)

"""The command line: `make chaos`, or `python -m tests.chaos`."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from benchmarks.chorus import registry_at
from benchmarks.machine import machine
from benchmarks.others import FEW, Others
from benchmarks.progress import words
from models.provenance import revision
from models.registry import Registry
from tests.chaos import report
from tests.chaos.scenario import LOOPS, Loop, Scenario, Stage, figures_of
from tests.chaos.suite import chosen, scenarios

PAGE = Path(__file__).parents[2] / "docs/operations.md"
INTERRUPTED = 130


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("goals", nargs=-1)
@click.option("--quick", is_flag=True, help="Small sizes, as the tests have them: counts say something, times little.")
@click.option("--loop", "loops", multiple=True, type=click.Choice(LOOPS), help="Of the server.  [default: both]")
@click.option("--registry", type=click.Path(path_type=Path), help="Where the models are; else as chorus.toml says.")
@click.option("--write", is_flag=True, help="Put the figures into the table of docs/operations.md, too.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios, and how long each takes.")
def main(
    goals: tuple[str, ...], loops: tuple[Loop, ...], registry: Path | None, *, quick: bool, write: bool, listed: bool
) -> None:
    """Break what can break around a running server, and print what comes of it beside what must hold.

    GOALS are those of the list, such as G1, or names of scenarios; without any, all are run. The exit code is 1 if one
    is missed.

    \b
    Examples:
      python -m tests.chaos --list
      python -m tests.chaos --quick
      python -m tests.chaos G1 G2 --loop asyncio
      python -m tests.chaos --write
    """
    try:
        wanted = chosen(goals)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if listed:
        for scenario in wanted:
            click.echo(f"{scenario.key:<28} {words(scenario.seconds):>12}  {scenario.about}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    try:
        ok = run(wanted, loops or LOOPS, Registry(registry_at(registry)), quick=quick, write=write)
    except KeyboardInterrupt:
        click.echo("interrupted; all servers are stopped", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if ok else 1)


def run(wanted: Sequence[Scenario], loops: Sequence[Loop], registry: Registry, *, quick: bool, write: bool) -> bool:
    """Run the scenarios one after the other and print what they find; whether everything held."""
    when = f"{datetime.now(UTC):%Y-%m-%d} {(revision() or 'unknown')[:7]}{' (quick)' if quick else ''}"
    order = [scenario.key for scenario in scenarios()]
    told: list[list[str]] = []
    ok = True
    for scenario in wanted:
        click.echo(f"{scenario.key}: {scenario.about}", err=True)
        others = Others()
        found = {loop: outcome(scenario, registry, loop, quick=quick) for loop in loops}
        ok &= report.holds(found)
        busy = f", {cores:.1f} busy" if (cores := others.cores()) > FEW else ""
        lines = report.lines(scenario, found, when + busy)
        told += lines
        click.echo(f"{report.whole(lines)}\n", err=True)
        if write:
            report.write(PAGE, {scenario.key: lines}, order)
    click.echo(f"{machine()}\n\n{report.whole(told)}")
    return ok


def outcome(scenario: Scenario, registry: Registry, loop: Loop, *, quick: bool) -> report.Claims | str:
    """What a scenario finds with the server on `loop`, or why it could not be run."""
    if lacking := scenario.lacks():
        return f"not tried here: {lacking}"
    with tempfile.TemporaryDirectory(prefix="chorus-chaos-") as folder:
        stage = Stage(registry, Path(folder), loop, quick)
        try:
            return uvloop.run(figures_of(scenario, stage))
        except Exception as error:  # whatever it is, the next scenario has nothing to do with it
            return f"{type(error).__name__}: {error}".replace("|", "/").replace("\n", " ")[:300]


if __name__ == "__main__":
    main()

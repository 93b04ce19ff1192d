"""The command line: `make bench`, or `python -m benchmarks`."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.alternation import Times
from benchmarks.bench import Bench, Options, Result, Scenario
from benchmarks.chorus import registry_at
from benchmarks.contestants import RunFailed
from benchmarks.machine import stamp
from benchmarks.others import Others
from benchmarks.process import ServerFailed
from benchmarks.progress import Progress, words
from benchmarks.report import section, write_sections
from benchmarks.scenarios import SCENARIOS
from benchmarks.wrk import WrkFailed

README = Path(__file__).with_name("README.md")
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
FIRST = SCENARIOS[0].name
USUAL = Options()
QUICK = Options(Times(seconds=1, rounds=2), requests=20_000, quick=True)
INTERRUPTED = 130


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("scenarios", nargs=-1, type=click.Choice(list(BY_NAME)))
@click.option("--seconds", type=click.IntRange(1, 600), help=f"Of each slice. [default: {USUAL.times.seconds}]")
@click.option("--rounds", type=click.IntRange(1, 99), help=f"Alternations. [default: {USUAL.times.rounds}]")
@click.option("--warm-up", type=click.IntRange(0, 60), help=f"Before each slice. [default: {USUAL.times.warm_up}]")
@click.option("--requests", type=click.IntRange(1), help=f"Of the scenario memory. [default: {USUAL.requests:,}]")
@click.option("--quick", is_flag=True, help=f"2 rounds of 1 s, of fewer things; {FIRST} alone, if none is named.")
@click.option("--access-log/--no-access-log", default=True, help="Whether Chorus writes one, as it does by default.")
@click.option("--registry", type=click.Path(path_type=Path), help="Where the models are; else as chorus.toml says.")
@click.option("--write", is_flag=True, help="Put the tables into benchmarks/README.md, too.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios, and how long each takes.")
def main(
    scenarios: Sequence[str],
    seconds: int | None,
    rounds: int | None,
    warm_up: int | None,
    requests: int | None,
    *,
    quick: bool,
    access_log: bool,
    registry: Path | None,
    write: bool,
    listed: bool,
) -> None:
    """Measure Chorus next to its baselines, in alternation, and print tables of ratios with their noise.

    \b
    Examples:
      python -m benchmarks                       everything
      python -m benchmarks --quick               a look in under a minute
      python -m benchmarks straggler --seconds 2
      python -m benchmarks --write               everything, into benchmarks/README.md
    """
    base = QUICK if quick else USUAL
    usual = base.times
    times = Times(seconds or usual.seconds, rounds or usual.rounds, usual.warm_up if warm_up is None else warm_up)
    options = Options(times, requests or base.requests, quick=quick, access_log=access_log)
    chosen = [BY_NAME[name] for name in scenarios] or ([BY_NAME[FIRST]] if quick else list(SCENARIOS))
    if listed:
        for scenario in chosen:
            click.echo(f"{scenario.name:<14} {words(scenario.expected(options)):>12}  {scenario.about}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is stopped
    try:
        ok = run(chosen, options, registry_at(registry), write=write)
    except KeyboardInterrupt:
        click.echo("interrupted; all servers are stopped", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if ok else 1)


def run(chosen: Sequence[Scenario], options: Options, registry: Path, *, write: bool) -> bool:
    """Run the scenarios `chosen` one after the other and print what they find; whether none has failed."""
    progress = Progress(sum(scenario.expected(options) for scenario in chosen), lambda line: click.echo(line, err=True))
    about = f"{stamp()}; {options}"
    click.echo(f"{about}\n")
    sections: dict[str, str] = {}
    problems = 0
    for number, scenario in enumerate(chosen):
        progress.begin(scenario.name, sum(one.expected(options) for one in chosen[:number]))
        others = Others()
        with tempfile.TemporaryDirectory(prefix="chorus-bench-") as folder:
            found = outcome(scenario, Bench(options, registry, Path(folder), progress))
        disturbed = str(others)
        if isinstance(found, str):
            problems += 1
            click.echo(f"error: {scenario.name}: {found}", err=True)
        click.echo(f"{section(scenario, found, disturbed)}\n")
        sections[scenario.name] = section(scenario, found, about, disturbed)
    if write:
        write_sections(README, sections)
    return not problems


def outcome(scenario: Scenario, bench: Bench) -> Result | str:
    """What a scenario finds, or why it cannot."""
    try:
        return scenario.run(bench)
    except (RunFailed, ServerFailed, WrkFailed) as error:
        return str(error)


if __name__ == "__main__":
    main()

"""The command line: `make bench`, or `python -m benchmarks`."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.bench import Bench, Options, Result, Scenario
from benchmarks.contestants import RunFailed
from benchmarks.machine import stamp
from benchmarks.process import ServerFailed
from benchmarks.progress import Progress, words
from benchmarks.report import section, write_sections
from benchmarks.scenarios import SCENARIOS
from benchmarks.wrk import WrkFailed
from models.registry import Registry
from server.config import load_config

README = Path(__file__).with_name("README.md")
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
USUAL = Options()
QUICK = Options(seconds=1, rounds=3, requests=20_000, quick=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("scenarios", nargs=-1, type=click.Choice(list(BY_NAME)))
@click.option("--seconds", type=click.IntRange(1, 600), help=f"Of each measurement. [default: {USUAL.seconds}]")
@click.option("--rounds", type=click.IntRange(1, 99), help=f"Alternations. [default: {USUAL.rounds}]")
@click.option("--requests", type=click.IntRange(1000), help=f"Of the scenario `memory`. [default: {USUAL.requests:,}]")
@click.option("--quick", is_flag=True, help="A look in under a minute: one-row, 3 alternations of 1 s.")
@click.option("--write", is_flag=True, help="Put the tables into benchmarks/README.md, too.")
@click.option(
    "--registry", type=click.Path(path_type=Path), help="Where the models are. [default: as chorus.toml says]"
)
@click.option("--list", "listed", is_flag=True, help="List the scenarios and how long each takes.")
def main(
    scenarios: Sequence[str],
    seconds: int | None,
    rounds: int | None,
    requests: int | None,
    quick: bool,
    write: bool,
    registry: Path | None,
    listed: bool,
) -> None:
    """Measure Chorus next to its baselines, in alternation, and print tables of ratios with their noise.

    \b
    Examples:
      python -m benchmarks                       everything
      python -m benchmarks --quick               a look
      python -m benchmarks straggler --seconds 2
      python -m benchmarks --write               everything, into benchmarks/README.md
    """
    base = QUICK if quick else USUAL
    options = Options(seconds or base.seconds, rounds or base.rounds, requests or base.requests, quick)
    chosen = [BY_NAME[name] for name in scenarios] or ([BY_NAME["one-row"]] if quick else list(SCENARIOS))
    if listed:
        for scenario in chosen:
            click.echo(f"{scenario.name:<14} {words(scenario.expected(options)):>12}  {scenario.about}")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    found = _registry(registry)
    ok = _run(chosen, options, found, write=write)
    sys.exit(0 if ok else 1)


def _registry(given: Path | None) -> Path:
    """The folder of a registry that has the five models."""
    path = (given or Path(load_config(Path("chorus.toml")).registry.path)).absolute()
    from benchmarks.chorus import MEMBERS

    if missing := Registry(path).missing([f"breast-cancer/{name}" for name in MEMBERS]):
        raise click.ClickException(f"{path} lacks {', '.join(missing)}; try: chorus train --missing")
    return path


def _run(chosen: Sequence[Scenario], options: Options, registry: Path, *, write: bool) -> bool:
    """Whether all could be measured."""
    progress = Progress(sum(scenario.expected(options) for scenario in chosen), lambda line: click.echo(line, err=True))
    about = f"{stamp()}; {options.rounds} alternations of {options.seconds} s"
    click.echo(about + "\n")
    sections: dict[str, str] = {}
    failed = False
    with tempfile.TemporaryDirectory(prefix="chorus-bench-") as folder:
        for number, scenario in enumerate(chosen):
            progress.begin(scenario.name, sum(one.expected(options) for one in chosen[:number]))
            own = Path(folder, scenario.name)
            own.mkdir()
            try:
                result: Result | None = scenario.run(Bench(options, registry, own, progress))
            except (RunFailed, ServerFailed, WrkFailed) as error:
                click.echo(f"error: {scenario.name}: {error}", err=True)
                failed, result = True, None
                problem = str(error)
            text = section(scenario, result, about if write else "", "" if result else problem)
            click.echo(text + "\n")
            sections[scenario.name] = text
    if write:
        write_sections(README, sections)
    return not failed


if __name__ == "__main__":
    main()

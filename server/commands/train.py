"""`chorus train`."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console

from models.datasets import DATASETS
from models.errors import UnknownName
from models.names import no_such
from models.registry import Registry, Version
from server.commands.steps import steps
from server.commands.terminal import wide_console
from server.config import ConfigError, load_config
from server.plan import local_backends

MORE = "For the intervals behind this, and what leaving each member out would change: chorus train [DATASET]"

if TYPE_CHECKING:
    from server.commands.assessment import Assessment


@click.command()
@click.argument("datasets", nargs=-1)
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), default="chorus.toml", show_default=True,
    help="The configuration, which names the registry.",
)  # fmt: skip
@click.option("--missing", is_flag=True, help="Only the models that the configuration names and the registry lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; progress goes to standard error.")
def train(datasets: Sequence[str], path: Path, missing: bool, as_json: bool) -> None:
    """Fit, calibrate, compile and register the models of the built-in data sets, and judge the ensembles of them.

    Each member, each rule, and each rule without each member is judged on the test split, with the models as they are
    served. Second versions become candidates: the champion stays until an alias is moved.

    \b
    Examples:
      chorus train                   every built-in data set
      chorus train digits            one of them
      chorus train --missing         what chorus.toml names and the registry lacks
      chorus train digits --json     the same figures for a program
    """
    config = load_config(path)
    registry = Registry(Path(config.registry.path))
    for name in datasets:
        if name not in DATASETS:
            raise UnknownName(no_such("data set", name, DATASETS))
    if missing:
        wanted = _by_dataset(registry.missing(settings.model for settings in local_backends(config).values()))
        wanted = {name: only for name, only in wanted.items() if name in datasets or not datasets}
    else:
        wanted = {name: [] for name in datasets or DATASETS}
    began = time.monotonic()
    versions, assessments = _train(wanted, registry, wide_console(stderr=as_json))
    seconds = time.monotonic() - began
    if as_json:
        click.echo(msgspec.json.encode(_document(registry, versions, assessments, seconds)))
    elif versions:
        _print(registry, versions, assessments, whole=not missing, seconds=seconds)


def _by_dataset(references: Sequence[str]) -> dict[str, list[str]]:
    """Which members of which data sets would make `references`."""
    wanted: dict[str, list[str]] = {}
    for reference in references:
        dataset, _, member = reference.partition("@")[0].partition("/")
        if "@" in reference or not member:
            raise ConfigError(f"{reference} is no built-in model, and is not in the registry")
        wanted.setdefault(dataset, []).append(member)
    return wanted


def _train(
    wanted: Mapping[str, Sequence[str]], registry: Registry, console: Console
) -> tuple[list[Version], list["Assessment"]]:
    if not wanted:
        return [], []
    from models import training
    from server.commands.assessment import assess

    total = sum(len(only or training.members(dataset)) + 1 for dataset, only in wanted.items())
    versions: list[Version] = []
    assessments: list[Assessment] = []
    with steps(console, total) as progress:
        for dataset, only in wanted.items():

            def report(member: str, step: str, dataset: str = dataset) -> None:
                if step == "done":
                    progress.done(f"{dataset}/{member}", "trained")
                else:
                    progress.begin(f"{dataset}/{member}", step)

            versions += training.train(dataset, registry, report, only=only)
            progress.begin(dataset, "evaluate")
            assessments.append(assess(dataset, registry, versions))
            progress.done(dataset, "evaluated")
    return versions, assessments


def _print(
    registry: Registry, versions: Sequence[Version], assessments: Sequence["Assessment"], *, whole: bool, seconds: float
) -> None:
    from server.commands.report import NOTE, models_table, print_report

    console = wide_console()
    console.print(models_table(versions))
    for assessment in assessments:
        print_report(console, assessment, whole=whole)
    console.print(f"\n{NOTE if whole else MORE}", soft_wrap=True)
    console.print(f"\n{len(versions)} models in {seconds:.1f} s, in {registry.path}", soft_wrap=True)


def _document(
    registry: Registry, versions: Sequence[Version], assessments: Sequence["Assessment"], seconds: float
) -> dict[str, Any]:
    if assessments:
        from server.commands.assessment import document
        from server.commands.verdict import verdict
    return {
        "registry": str(registry.path),
        "seconds": round(seconds, 3),
        "models": [_described(version) for version in versions],
        "evaluations": {one.dataset: {**document(one), "verdict": verdict(one)} for one in assessments},
    }


def _described(version: Version) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "runtime": manifest.runtime,
        "temperature": manifest.temperature,
        "compilation": manifest.compilation,
        "metrics": manifest.metrics,
    }

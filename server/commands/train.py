"""`chorus train`."""

import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.registry import Registry, Version
from server.commands.terminal import wide_console
from server.config import ConfigError, load_config
from server.plan import local_backends


@click.command()
@click.argument("datasets", nargs=-1)
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), default="chorus.toml", show_default=True,
    help="The configuration, which names the registry.",
)  # fmt: skip
@click.option("--missing", is_flag=True, help="Only the models that the configuration names and the registry lacks.")
def train(datasets: Sequence[str], path: Path, missing: bool) -> None:
    """Fit, calibrate, compile and register the models of the built-in data sets.

    \b
    Examples:
      chorus train                   every built-in data set
      chorus train breast-cancer     one of them
      chorus train --missing         what chorus.toml names and the registry lacks
    """
    config = load_config(path)
    registry = Registry(Path(config.registry.path))
    if missing:
        wanted = registry.missing(settings.model for settings in local_backends(config).values())
        _train(_by_dataset(wanted), registry)
    else:
        from models.datasets import DATASETS  # imports what fits models only when it is needed

        _train({name: [] for name in datasets or DATASETS}, registry)


def _by_dataset(references: Sequence[str]) -> dict[str, list[str]]:
    """Which members of which data sets would make `references`."""
    wanted: dict[str, list[str]] = {}
    for reference in references:
        dataset, _, member = reference.partition("@")[0].partition("/")
        if "@" in reference or not member:
            raise ConfigError(f"{reference} is no built-in model, and is not in the registry")
        wanted.setdefault(dataset, []).append(member)
    return wanted


def _train(wanted: dict[str, list[str]], registry: Registry) -> None:
    if not wanted:
        return
    from models import training

    began = time.monotonic()
    names = [f"{dataset}/{member}" for dataset, only in wanted.items() for member in only or training.members(dataset)]
    console = wide_console()
    versions: list[Version] = []
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("training", total=len(names))
        for dataset, only in wanted.items():

            def report(member: str, step: str, dataset: str = dataset) -> None:
                progress.update(bar, description=f"{dataset}/{member}: {step}", advance=step == "done")
                if not console.is_terminal and step == "done":
                    console.print(f"trained {dataset}/{member}")

            versions += training.train(dataset, registry, report, only=only)
    console.print(_table(versions))
    console.print(f"{len(versions)} models in {time.monotonic() - began:.1f} s, in {registry.path}")


def _table(versions: Sequence[Version]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "version", "runtime", "accuracy", "log loss", "temperature", "largest difference"):
        table.add_column(heading)
    for version in versions:
        manifest = version.manifest
        figures = [manifest.metrics.get(name) for name in ("accuracy", "log_loss")]
        figures += [manifest.temperature, manifest.compilation.max_difference]
        shown = ["" if figure is None else f"{figure:.3g}" for figure in figures]
        table.add_row(manifest.name, manifest.version, manifest.runtime, *shown)
    return table

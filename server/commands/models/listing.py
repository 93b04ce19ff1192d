"""`chorus models list`, `show` and `diff`: what is in the registry."""

from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from models.errors import RegistryError
from models.manifest import Manifest
from models.registry import CANARY, Registry
from models.types import TensorSpec
from server.commands.models.place import with_registry
from server.commands.terminal import wide_console

AS_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.command("list")
@AS_JSON
@with_registry
def list_(registry: Registry, as_json: bool) -> None:
    """All models, with their versions, aliases and metrics.

    \b
    Example:
      chorus models list
    """
    rows = [row for name in registry.names() for row in _versions(registry, name)]
    if as_json:
        click.echo(_pretty(rows))
    elif not rows:
        click.echo(f"{registry.path} is empty; to fill it: chorus models add, or chorus train")
    else:
        rows = [row | {"aliases": _with_share(row)} for row in rows]
        wide_console().print(_table(rows, ("model", "version", "aliases", "runtime", "task", "metrics", "created")))


def _with_share(row: dict[str, Any]) -> list[str]:
    share = row["canary_share"]
    return [f"{alias} {share:.4g}" if alias == CANARY and share else alias for alias in row["aliases"]]


def _versions(registry: Registry, name: str) -> list[dict[str, Any]]:
    aliases = registry.aliases(name)
    return [
        {
            "model": name,
            "version": version,
            "aliases": [alias for alias, target in aliases.items() if target == version],
            "canary_share": registry.canary_share(name) if aliases.get(CANARY) == version else None,
            **_summary(registry, f"{name}@{version}"),
        }
        for version in registry.versions(name)
    ]


def _summary(registry: Registry, reference: str) -> dict[str, Any]:
    """One damaged version does not hide the others."""
    try:
        manifest = registry.manifest(reference)
    except RegistryError as error:
        return {"runtime": "damaged", "task": "", "metrics": {}, "created": "", "problem": str(error)}
    keys = ("runtime", "metrics", "created")
    return {key: getattr(manifest, key) for key in keys} | {"task": manifest.signature.task}


@click.command()
@click.argument("reference")
@AS_JSON
@with_registry
def show(registry: Registry, reference: str, as_json: bool) -> None:
    """What a version takes and gives, how it is run, and how it came to be.

    \b
    Examples:
      chorus models show fraud/boosted
      chorus models show fraud/boosted@2 --json
    """
    manifest = registry.verify(reference).manifest
    click.echo(_pretty(manifest) if as_json else "\n".join(_described(manifest)))


def _described(manifest: Manifest) -> list[str]:
    signature, compilation = manifest.signature, manifest.compilation
    lines = [f"{manifest.name}@{manifest.version}, registered {manifest.created}", f"task         {signature.task}"]
    lines += [f"labels       {', '.join(signature.labels)}"] if signature.labels else []
    if signature.task == "transform":
        lines += [f"output       {_shape(spec)}" for spec in signature.outputs]
    for spec in signature.inputs:
        missing = ", may be missing" if spec.nullable else ""
        lines.append(f"input        {_shape(spec)}{missing}")
    lines.append(f"runs by      {manifest.runtime}, from {manifest.artefact}; was fitted as {manifest.original}")
    if compilation.agrees:
        rows = f"{compilation.rows} rows, largest difference {compilation.max_difference:.2g}"
        lines.append(f"compiled     yes, and compared: {rows}")
    else:
        lines.append(f"compiled     no: {compilation.reason}")
    if manifest.calibration:
        at_bound = ", at its bound" if manifest.calibration.at_bound else ""
        lines.append(f"temperature  {manifest.calibration.temperature:.4g} ({manifest.calibration.split}{at_bound})")
    figures = ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items())
    lines += [f"metrics      {figures} (on {manifest.metrics_split})"] if figures else []
    if training := manifest.training:
        lines.append(f"trained on   {training.dataset} ({training.split}), seed {training.seed}: {training.command}")
        lines.append(f"parameters   {', '.join(f'{name}={value}' for name, value in training.parameters.items())}")
    return lines + [f"file         {name} sha256:{digest}" for name, digest in manifest.files.items()]


@click.command()
@click.argument("one")
@click.argument("other")
@AS_JSON
@with_registry
def diff(registry: Registry, one: str, other: str, as_json: bool) -> None:
    """What sets two versions apart: data, parameters, metrics, signature, calibration.

    \b
    Examples:
      chorus models diff fraud/boosted@champion fraud/boosted@candidate
      chorus models diff fraud/boosted fraud/forest
    """
    from models.differences import differences

    found = differences(registry.manifest(one), registry.manifest(other))
    rows = [{"what": path, one: mine, other: theirs} for path, mine, theirs in found]
    if as_json:
        click.echo(_pretty(rows))
    elif not rows:
        click.echo(f"{one} and {other} are alike")
    else:
        short = [row | {one: row[one][:12], other: row[other][:12]} if _is_hash(row) else row for row in rows]
        wide_console().print(_table(short, ("what", one, other)))


def _shape(spec: TensorSpec) -> str:
    named = f": {', '.join(spec.features)}" if spec.features and spec.features != (spec.name,) else ""
    return f"{spec.name} {spec.datatype} {list(spec.shape)}{named}"


def _is_hash(row: dict[str, Any]) -> bool:
    return str(row["what"]).startswith("files.") and None not in row.values()


def _table(rows: list[dict[str, Any]], headings: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(escape(heading), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(row[heading])) for heading in headings))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else str(value)


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()

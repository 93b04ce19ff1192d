"""`chorus models add`."""

import time
from pathlib import Path
from typing import Any

import click

from models.promotion import promote
from models.registry import CHAMPION, Registry, Version, valid_name
from models.types import TensorSpec
from server.commands.models.place import with_registry
from server.commands.terminal import wide_console


def _listed(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (value or "").split(",")) if value else ()
    if "" in names or len(set(names)) < len(names):
        raise click.BadParameter(f"expected names with commas between them, each once, got {value!r}")
    return names


@click.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--labels", callback=_listed, help="The labels, in the order of the model's probabilities: a,b.")
@click.option("--features", callback=_listed, help="The names of its columns; name:DATATYPE where not numbers.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Where the file does not say.")
@click.option(
    "--check", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV of rows to try it on, by column name; a column `label` or `target` is the truth.",
)  # fmt: skip
@click.option("--nullable", is_flag=True, help="A number may be missing: null in JSON, NaN for the model.")
@click.option("--temperature", type=click.FloatRange(0.2, 5), help="Divides the logarithms of its probabilities.")
@click.option("--alias", help="Point this alias at it, too.")
@with_registry
def add(registry: Registry, name: str, file: Path, alias: str | None, **given: Any) -> None:
    """Register the model in FILE as the next version of NAME.

    FILE is .onnx, xgboost's .ubj or .json, or .skops; never a pickle. It is read in a process of its own, tried on the
    rows of --check or on generated ones, and compiled to ONNX where it converts. The first version of NAME becomes its
    champion, later ones the candidate.

    \b
    Examples:
      chorus models add fraud/boosted model.ubj --labels fine,fraud --check rows.csv
      chorus models add house/price model.onnx --task regression --features area,rooms
      chorus models add fraud/typed model.onnx --labels fine,fraud --nullable --temperature 1.3
    """
    from models.admission import Application
    from models.quarantine import examined

    if not valid_name(name):
        raise click.ClickException(f"no model can be called {name!r}; letters, digits, '.', '_', '-', parts with '/'")
    began = time.monotonic()
    check = given.pop("check")
    application = Application(name=name, file=str(file), check=None if check is None else str(check), **given)
    with wide_console().status(f"trying {file.name}"):
        manifest, files = examined(application)
    version = registry.add(manifest, files)
    if alias == CHAMPION:
        promote(registry, str(version))
    elif alias:
        registry.set_alias(name, alias, version.version)
    _report(registry, version, time.monotonic() - began)


def _report(registry: Registry, version: Version, seconds: float) -> None:
    manifest = version.manifest
    signature = manifest.signature
    aliases = [alias for alias, target in registry.aliases(version.name).items() if target == version.version]
    click.echo(f"added {version} ({', '.join(aliases) or 'no alias'}) in {seconds:.1f} s, in {registry.path}")
    click.echo(f"  takes    {', '.join(map(_input, signature.inputs))}")
    click.echo(f"  gives    {signature.task}{': ' if signature.labels else ''}{', '.join(signature.labels)}")
    reason = manifest.compilation.reason
    click.echo(f"  runs by  {manifest.runtime}{'; ' if reason else ''}{reason}")
    if manifest.metrics:
        figures = ", ".join(f"{key} {value:.3g}" for key, value in manifest.metrics.items())
        click.echo(f"  on {manifest.metrics_split}: {figures}")


def _input(spec: TensorSpec) -> str:
    columns = f" ({', '.join(spec.features)})" if spec.features and spec.features != (spec.name,) else ""
    return f"{spec.name} {spec.datatype} {list(spec.shape)}{columns}"

"""`chorus models add`."""

import time
from pathlib import Path
from typing import Any

import click

from models.promotion import promote
from models.registry import CHAMPION, Registry, Version, valid_name
from server.commands.describing import application, describing, gives, takes
from server.commands.models.place import with_registry
from server.commands.models.reach import reach_servers
from server.commands.terminal import wide_console


@click.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@describing
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
      chorus models add house/scaled scaler.onnx --task transform --features area,rooms --outputs area,rooms
      chorus models add fraud/typed model.onnx --labels fine,fraud --nullable --temperature 1.3
    """
    from models.quarantine import examined

    if not valid_name(name):
        raise click.ClickException(f"no model can be called {name!r}; letters, digits, '.', '_', '-', parts with '/'")
    began = time.monotonic()
    with wide_console().status(f"trying {file.name}"):
        manifest, files = examined(application(name, file, given))
    version = registry.add(manifest, files)
    if alias == CHAMPION:
        promote(registry, str(version))
        reach_servers(registry)
    elif alias:
        registry.set_alias(name, alias, version.version)
    _report(registry, version, time.monotonic() - began)


def _report(registry: Registry, version: Version, seconds: float) -> None:
    manifest = version.manifest
    signature = manifest.signature
    aliases = [alias for alias, target in registry.aliases(version.name).items() if target == version.version]
    click.echo(f"added {version} ({', '.join(aliases) or 'no alias'}) in {seconds:.1f} s, in {registry.path}")
    click.echo(f"  takes    {takes(signature)}")
    click.echo(f"  gives    {gives(signature)}")
    reason = manifest.compilation.reason
    click.echo(f"  runs by  {manifest.runtime}{'; ' if reason else ''}{reason}")
    if manifest.metrics:
        figures = ", ".join(f"{key} {value:.3g}" for key, value in manifest.metrics.items())
        click.echo(f"  on {manifest.metrics_split}: {figures}")

"""`chorus serve`."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from models.registry import Registry
from server import logs
from server.binding import bound
from server.checking import findings_of
from server.commands.describing import KEYS, describing
from server.config import Config, ConfigError, read_config
from server.folder import private_folder
from server.plan import make_plan
from server.process import ChildError
from server.supervisor import Supervisor


@click.command()
@click.argument("model", required=False)
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="The configuration file.  [default: chorus.toml]"
)
@click.option("--host", help="The address to listen on.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), help="The port to listen on; 0 picks a free one.")
@click.option(
    "--workers", "--fronts", "fronts", type=click.IntRange(1, 64), metavar="N",
    help="How many processes take requests, all on the one port; they share the processes of the models. One is enough "
    "while its core is not full. [server] fronts in the file, also CHORUS_WORKERS.  [default: 1]",
)  # fmt: skip
@click.option("--loop", type=click.Choice(["uvloop", "asyncio"]), help="The event loop.")
@click.option("--name", help="Of a single MODEL: what it is called, by default as its file.")
@click.option("--registry", type=click.Path(path_type=Path), help="The folder of the registry.")
@describing
def serve(model: str | None, path: Path | None, name: str | None, **given: Any) -> None:
    """Serve the models and ensembles that a configuration names, or MODEL alone, in one process without any.

    MODEL is a file, .onnx, .ubj, .json or .skops, which is first read in a process of its own and tried; or a model of
    the registry. Of a file what it does not say itself is asked for: --labels, --features, --task, --check, --nullable,
    --temperature.

    \b
    Examples:
      chorus serve
      chorus serve --config fraud.toml --port 9000
      chorus serve --workers 2
      chorus serve model.onnx --labels fine,fraud
      chorus serve breast-cancer/forest@champion
    """
    said = {key: given.pop(key) for key in KEYS}
    if model is not None:
        if path is not None:
            raise click.UsageError("a MODEL is served without a configuration: leave out --config, or the MODEL")
        from server.commands.alone import serve_alone

        serve_alone(model, name, said, given)
        return
    for key, value in {"name": name, **said}.items():
        if value:
            raise click.UsageError(f"--{key} is for a single model: chorus serve MODEL --{key} ...")
    _serve(path or Path("chorus.toml"), given)


def _serve(path: Path, given: Mapping[str, Any]) -> None:
    began = time.monotonic()
    config = _checked(path, given)
    registry = Registry(Path(config.registry.path))
    with logs.setup(sys.stderr, "supervisor"), private_folder() as folder:
        plan = make_plan(config, registry, folder)
        with bound(config.server.host, config.server.port) as listening:
            supervisor = Supervisor(plan, listening)
            try:
                asyncio.run(supervisor.run(lambda: _announce(supervisor, time.monotonic() - began)))
            except ChildError as error:
                raise click.ClickException(str(error)) from error


def _checked(path: Path, given: Mapping[str, Any]) -> Config:
    """The configuration, after all of `chorus check` that asks nobody and reads no model: they check themselves."""
    draft = read_config(path, given)
    found = findings_of(draft)
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
    if found.errors:
        raise ConfigError(*found.errors)
    return draft.config


def _announce(supervisor: Supervisor, seconds: float) -> None:
    from server.commands.banner import announce  # what draws the table is not needed before

    announce(supervisor, seconds)

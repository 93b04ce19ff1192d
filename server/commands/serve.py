"""`chorus serve`."""

import asyncio
import socket
import sys
import time
from pathlib import Path
from typing import Any

import click

from models.registry import Registry
from server import logs
from server.config import Config, ConfigError, load_config, warnings_of
from server.folder import private_folder
from server.plan import local_backends, make_plan
from server.process import ChildError
from server.supervisor import Supervisor

BIND_SECONDS = 2.0  # how long the front of a server that was just killed may still hold the port


@click.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), default="chorus.toml", show_default=True,
    help="The configuration file.",
)  # fmt: skip
@click.option("--host", help="The address to listen on.")
@click.option("-p", "--port", type=click.IntRange(0, 65535), help="The port to listen on; 0 picks a free one.")
@click.option("--loop", type=click.Choice(["uvloop", "asyncio"]), help="The event loop.")
def serve(path: Path, **given: Any) -> None:
    """Serve the models and ensembles that a configuration names.

    \b
    Examples:
      chorus serve
      chorus serve --config fraud.toml --port 9000
    """
    began = time.monotonic()
    config = load_config(path, {key: value for key, value in given.items() if value is not None})
    registry = Registry(Path(config.registry.path))
    _check_models(config, registry)
    with logs.setup(sys.stderr, "supervisor"), private_folder() as folder:
        for warning in warnings_of(config):
            click.echo(f"warning: {warning}", err=True)
        plan = make_plan(config, registry, folder)
        with _bound(config.server.host, config.server.port) as listening:
            supervisor = Supervisor(plan, listening)
            try:
                asyncio.run(supervisor.run(lambda: _announce(supervisor, time.monotonic() - began)))
            except ChildError as error:
                raise click.ClickException(str(error)) from error


def _check_models(config: Config, registry: Registry) -> None:
    """Say what is missing and what makes it, before anything starts."""
    references = [settings.model for settings in local_backends(config).values()]
    if missing := registry.missing(references):
        raise ConfigError(
            f"the registry {registry.path} has no {', '.join(missing)}; for the built-in models: chorus train --missing"
        )


def _bound(host: str, port: int) -> socket.socket:
    """The listening socket. A port in use is tried again for a moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + BIND_SECONDS
    while True:
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(1024)
        except OSError as error:
            listening.close()
            if time.monotonic() > until:
                raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}; try --port") from error
            time.sleep(0.05)
        else:
            return listening


def _announce(supervisor: Supervisor, seconds: float) -> None:
    from server.commands.banner import announce  # what draws the table is not needed before

    announce(supervisor, seconds)

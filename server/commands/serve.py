"""`chorus serve`."""

import asyncio
import errno
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from models.registry import Registry
from server import logs
from server.checking import findings_of
from server.config import Config, ConfigError, read_config
from server.folder import private_folder
from server.listening import chorus_at, words_for
from server.plan import make_plan
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
@click.option(
    "--workers", "--fronts", "fronts", type=click.IntRange(1, 64), metavar="N",
    help="How many processes take requests, all on the one port; they share the processes of the models. One is enough "
    "while its core is not full. [server] fronts in the file, also CHORUS_WORKERS.  [default: 1]",
)  # fmt: skip
@click.option("--loop", type=click.Choice(["uvloop", "asyncio"]), help="The event loop.")
def serve(path: Path, **given: Any) -> None:
    """Serve the models and ensembles that a configuration names.

    \b
    Examples:
      chorus serve
      chorus serve --config fraud.toml --port 9000
      chorus serve --workers 2
    """
    began = time.monotonic()
    config = _checked(path, given)
    registry = Registry(Path(config.registry.path))
    with logs.setup(sys.stderr, "supervisor"), private_folder() as folder:
        plan = make_plan(config, registry, folder)
        with _bound(config.server.host, config.server.port) as listening:
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
                raise ConfigError(f"cannot listen on {host}:{port}: {_why(error, host, port)}; try --port") from error
            time.sleep(0.05)
        else:
            return listening


def _why(error: OSError, host: str, port: int) -> str:
    words = (error.strerror or str(error)).lower()
    return f"{words} {words_for(chorus_at(host, port))}" if error.errno == errno.EADDRINUSE else words


def _announce(supervisor: Supervisor, seconds: float) -> None:
    from server.commands.banner import announce  # what draws the table is not needed before

    announce(supervisor, seconds)

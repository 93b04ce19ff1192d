"""`chorus serve`."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import click

from models.registry import Registry
from server import logs
from server.binding import bound
from server.commands.describing import KEYS, describing
from server.control import supervised
from server.folder import private_folder
from server.plan import make_plan
from server.process import ChildError
from server.servers import predecessor_of
from server.source import Source
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
@click.option(
    "--replace", is_flag=True,
    help="Take the place of the server that runs on the same port: it serves until this one is ready, then answers "
    "whom it has, and ends. No request is lost.",
)  # fmt: skip
@describing
def serve(model: str | None, path: Path | None, name: str | None, *, replace: bool, **given: Any) -> None:
    """Serve the models and ensembles that a configuration names, or MODEL alone, in one process without any.

    MODEL is a file, .onnx, .ubj, .json or .skops, which is first read in a process of its own and tried; or a model of
    the registry. Of a file what it does not say itself is asked for: --labels, --features, --task, --check, --nullable,
    --temperature.

    While it runs, `chorus reload`, or SIGHUP, takes up what has changed in the configuration and the registry. SIGTERM
    and Ctrl-C end it once whoever has asked is answered; the second one at once.

    \b
    Examples:
      chorus serve
      chorus serve --config fraud.toml --port 9000
      chorus serve --workers 2
      chorus serve --replace
      chorus serve model.onnx --labels fine,fraud
      chorus serve breast-cancer/forest@champion
    """
    said = {key: given.pop(key) for key in KEYS}
    if model is not None:
        if path is not None:
            raise click.UsageError("a MODEL is served without a configuration: leave out --config, or the MODEL")
        if replace:
            raise click.UsageError("--replace: one MODEL alone cannot take the place of another server")
        from server.commands.alone import serve_alone

        serve_alone(model, name, said, given)
        return
    for key, value in {"name": name, **said}.items():
        if value:
            raise click.UsageError(f"--{key} is for a single model: chorus serve MODEL --{key} ...")
    _serve(Source(path or Path("chorus.toml"), given), replace=replace)


def _serve(source: Source, *, replace: bool) -> None:
    began = time.monotonic()
    config = source.config(_warn)
    with logs.setup(sys.stderr, "supervisor"), private_folder() as folder:
        plan = make_plan(config, Registry(Path(config.registry.path)), folder)
        predecessor = predecessor_of(config.server, source.path) if replace else None
        server = config.server
        with bound(server.host, server.port) if predecessor is None else predecessor.listening as listening:
            supervisor = Supervisor(plan, listening)

            def ready() -> None:
                if predecessor is not None:
                    predecessor.dismiss()
                _announce(supervisor, time.monotonic() - began)

            try:
                asyncio.run(supervised(supervisor, source, ready))
            except ChildError as error:
                raise click.ClickException(str(error)) from error


def _warn(warning: str) -> None:
    click.echo(f"warning: {warning}", err=True)


def _announce(supervisor: Supervisor, seconds: float) -> None:
    from server.commands.banner import announce  # what draws the table is not needed before

    announce(supervisor, seconds)

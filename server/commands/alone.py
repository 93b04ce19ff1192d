"""`chorus serve MODEL`: one model, without a configuration file."""

import shlex
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from backends.served import Served
from models.errors import ChorusError
from models.formats import NETWORKS, PICKLES
from models.manifest import RUNTIMES
from models.registry import Registry, Version
from server import logs, single
from server.binding import bound
from server.commands.describing import application, gives, takes
from server.commands.terminal import wide_console
from server.config import ConfigError
from server.folder import private_folder
from server.listening import origin_of

FILES = (*RUNTIMES, *PICKLES, *NETWORKS)
UNREAD = "chorus.toml"


def serve_alone(model: str, name: str | None, said: Mapping[str, Any], overrides: Mapping[str, object]) -> None:
    """Serve `model`, a file or a reference, as `name`; `said` is what its user says of a file."""
    began = time.monotonic()
    server, registry = single.settings_of(overrides)
    is_file = Path(model).suffix.lower() in FILES or Path(model).is_file()
    name = single.checked_name(name or single.plain_name(Path(model).stem if is_file else model))
    with (
        logs.setup(sys.stderr, "server") as logging_,
        private_folder() as folder,
        bound(server.host, server.port) as listening,
    ):
        if is_file:
            registry = Registry(folder / "registry")
            version = _admitted(Path(model), name, said, registry)
        else:
            version = _registered(model, said, registry)
        plan = single.plan_of(name, str(version), registry, server, folder)
        made_up = is_file and not said["check"]
        single.run(
            plan, listening, logging_.log, lambda served: _announce(served, version, listening, began, made_up=made_up)
        )
    single.leave()


def _admitted(file: Path, name: str, said: Mapping[str, Any], registry: Registry) -> Version:
    """The model in `file`, read in a process of its own, and registered for as long as this one lives."""
    from models.quarantine import examined

    if not file.is_file():
        raise ConfigError(f"no file {file}")
    with wide_console().status(f"trying {file.name}"):
        return registry.add(*examined(application(name, file, said)))


def _registered(reference: str, said: Mapping[str, Any], registry: Registry) -> Version:
    if given := [key for key, value in said.items() if value]:
        raise ConfigError(f"--{given[0]} is for a file; {reference} is served as it was registered")
    try:
        return registry.resolve(reference)
    except ChorusError as error:
        raise ConfigError(f"{error}; or name a file that ends in {', '.join(RUNTIMES)}") from error


def _announce(served: Served, version: Version, listening: socket.socket, began: float, *, made_up: bool) -> None:
    """What is served, and a command that asks it."""
    console = wide_console()
    manifest = version.manifest
    table = Table(box=None, pad_edge=False, show_header=False)
    for what, value in (
        ("model", f"{served.name} (version {version.version} of {manifest.name})"),
        ("takes", takes(manifest.signature)),
        ("gives", gives(manifest.signature)),
        ("runs by", f"{manifest.runtime}, in this process"),
    ):
        table.add_row(what, escape(value))
    console.print(table)
    if Path(UNREAD).exists():
        console.print(f"\n{UNREAD} was not read: one model is served, and nothing else")
    origin = origin_of(*listening.getsockname()[:2])
    seconds = time.monotonic() - began
    if made_up and served.example:
        console.print("\nthe row below is made up; with --check rows.csv it is one of yours")
    console.print(f"\nready in {seconds:.1f} s at [bold]{origin}[/bold]" + ("; try:\n" if served.example else ""))
    if served.example:
        body = msgspec.json.encode({"instances": [served.example]}).decode()
        click.echo(f"curl -s {origin}/predict -d {shlex.quote(body)}\n")  # to be pasted: no wrapping
    sys.stdout.flush()

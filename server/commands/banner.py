"""What `chorus serve` prints once it is up."""

import shlex
from http.client import HTTPConnection, HTTPException
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from server.commands.terminal import wide_console
from server.composites import kind_of
from server.consistency import parts_of
from server.settings import Config
from server.supervisor import Supervisor


def announce(supervisor: Supervisor, seconds: float) -> None:
    """The backends and their states, what is made of them, and a command that asks the default model."""
    console = wide_console()
    console.print(table_of(supervisor))
    if supervisor.plan.config.composites:
        console.print("", composites_of(supervisor.plan.config))
    host, port = supervisor.listening.getsockname()[:2]
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to be asked from here
    origin = f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"
    body = example_body(near, port)
    console.print(f"\nready in {seconds:.1f} s at [bold]{origin}[/bold]" + ("; try:\n" if body else ""))
    if body:
        click.echo(f"curl -s {origin}/predict -d {shlex.quote(body)}\n")  # to be pasted: no wrapping


def table_of(supervisor: Supervisor) -> Table:
    """One row a process, and one a backend that has none."""
    table = Table(box=None, pad_edge=False)
    for heading in ("backend", "model", "version", "runtime", "pid", "state"):
        table.add_column(heading)
    plan = supervisor.plan
    for name, pinned in plan.pinned.items():
        model, _, version = pinned.partition("@")
        about = (name, model, version, plan.runtimes[name])
        workers = [worker for crew in supervisor.crews if crew.name == name for worker in crew.workers]
        for process in workers or supervisor.fronts[:1]:
            state = escape(f"{process.phase} {process.trouble}".strip())
            table.add_row(*about, str(process.pid or "") if workers else "inline", state)
    return table


def composites_of(config: Config) -> Table:
    """One row a composite: whom it asks."""
    table = Table(box=None, pad_edge=False)
    for heading in ("composition", "kind", "asks", ""):
        table.add_column(heading)
    for name, settings in config.composites.items():
        default = "POST /predict" if name == config.default else ""
        table.add_row(name, kind_of(settings).name, ", ".join(parts_of(settings)), default)
    return table


def example_body(host: str, port: int) -> str | None:
    """A request that the default model takes, as the server itself shows it."""
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/")
        index: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
        example = index["models"][index["default"]].get("example")
        return msgspec.json.encode(example).decode() if example else None
    except (OSError, HTTPException, msgspec.DecodeError, KeyError):
        return None  # a server that is up without an example is up all the same
    finally:
        connection.close()

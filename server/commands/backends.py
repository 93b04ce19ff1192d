"""`chorus backends`."""

import time
from collections.abc import Iterator
from typing import Any

import click
from rich.live import Live
from rich.table import Table
from rich.text import Text

from server.commands.client import Client, echo_json, json_option, tell_missing, url_option
from server.commands.terminal import wide_console

EVERY_SECONDS = 1.0
HEADINGS = (
    "backend",
    "kind",
    "state",
    "version",
    "runtime",
    "pid",
    "restarts",
    "in flight",
    "queued",
    "asked",
    "ok",
    "other fates",
)
LATENCIES = ("p50", "p90", "p99")
NUMBERS = ("restarts", "in flight", "queued", "asked", "ok", *LATENCIES)
STYLES = {"ready": "green", "disabled": "yellow", "starting": "yellow"}


@click.group(invoke_without_command=True)
@url_option
@json_option
@click.option("--watch", is_flag=True, help="Show them again every second, until Ctrl-C.")
@click.pass_context
def backends(context: click.Context, url: str | None, as_json: bool, watch: bool) -> None:
    """Show what each backend of a running server is doing; take one out of the vote, and back.

    Latencies are those of the last 1,000 answers, in milliseconds.

    \b
    Examples:
      chorus backends
      chorus backends --watch
      chorus backends --json | jq '.backends[] | select(.state != "ready").name'
      chorus backends disable forest
      chorus backends enable forest
    """
    context.obj = url, as_json
    if context.invoked_subcommand is not None:
        return
    client = Client(url)
    if watch and not as_json:
        _watch(client)
        return
    answer = client.get("debug", "backends")
    if as_json:
        echo_json(answer)
    else:
        wide_console().print(table_of(answer["backends"]))
        tell_missing(answer)


@backends.command()
@click.argument("names", nargs=-1, required=True)
@url_option
@json_option
@click.pass_context
def disable(context: click.Context, names: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """Take NAMES out of the vote at once, until they are enabled or the server starts anew.

    \b
    Example:
      chorus backends disable forest
    """
    for name in names:
        _switch(context, name, url, "disable", as_json=as_json)


@backends.command()
@click.argument("names", nargs=-1, required=True)
@url_option
@json_option
@click.pass_context
def enable(context: click.Context, names: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """Put NAMES back into the vote.

    \b
    Example:
      chorus backends enable forest
    """
    for name in names:
        _switch(context, name, url, "enable", as_json=as_json)


def _switch(context: click.Context, name: str, url: str | None, verb: str, *, as_json: bool) -> None:
    group_url, group_json = context.obj
    answer = Client(url or group_url).post("debug", "backends", name, verb)
    if as_json or group_json:
        echo_json(answer)
        return
    click.echo(f"{answer['name']} is {answer['state']}")
    if "warning" in answer:
        click.echo(f"warning: {answer['warning']}", err=True)
    tell_missing(answer)


def _watch(client: Client) -> None:
    console = wide_console()
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for table in _tables(client):
            if console.is_terminal:
                live.update(table, refresh=True)
            else:
                console.print(table)


def _tables(client: Client) -> Iterator[Table]:
    """One every second, until Ctrl-C."""
    try:
        while True:
            yield table_of(client.get("debug", "backends")["backends"])
            time.sleep(EVERY_SECONDS)
    except KeyboardInterrupt:
        return


def state_of(one: dict[str, Any]) -> Text:
    """The state of one backend, of its breaker where that is not closed, and the drill that is on there."""
    state = Text(one["state"], STYLES.get(one["state"], "red"))
    if (breaker := one.get("breaker", "closed")) != "closed":
        state.append(f", breaker {breaker}", "red")
    return state.append(f" (drill: {one['drill']})", "magenta") if "drill" in one else state


def table_of(shown: list[dict[str, Any]]) -> Table:
    """One row a backend, as the server shows them."""
    table = Table(box=None, pad_edge=False)
    for heading in (*HEADINGS, *LATENCIES):
        table.add_column(heading, justify="right" if heading in NUMBERS else "left")
    for one in shown:
        fates = dict(one["fates"])
        latency = one["latency_ms"] or {}
        table.add_row(
            one["name"],
            one.get("kind", ""),
            state_of(one),
            one["version"],
            one["runtime"],
            str(one.get("pid") or ""),
            str(one.get("restarts", "")),
            str(one["in_flight"]),
            str(one["queued"]),
            str(one["asked"]),
            str(fates.pop("ok", 0)),
            ", ".join(f"{fate} {count}" for fate, count in fates.items()),
            *(f"{latency[level]:.3g}" if level in latency else "" for level in LATENCIES),
        )
    return table

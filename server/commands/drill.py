"""`chorus drill`."""

import re
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click
from rich.table import Table

from backends.drill import Reason
from server.commands.client import Client, echo_json, json_option, tell_missing, url_option
from server.commands.terminal import wide_console

LONGEST, MOST_DELAY = 600.0, 60.0  # seconds
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m)")

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[float]):
    """Seconds, written with their unit, no more than `most`."""

    name = "duration"

    def __init__(self, most: float) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no duration; write 800ms, 1.5s or 2m", param, ctx)
        seconds = float(found[1]) * _UNITS[found[2]]
        if not 0 < seconds <= self._most:
            self.fail(f"{value!r} is not over 0 and at most {self._most:g}s", param, ctx)
        return seconds


def how(command: F) -> F:
    """The options of every fault."""
    share = click.option(
        "--share", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Of the calls only this share, as 0.3."
    )
    lasting = click.option(
        "--for", "seconds", type=Duration(LONGEST), default="60s", show_default=True, metavar="DURATION",
        help="Then it is over by itself; 10m at most.",
    )  # fmt: skip
    return share(lasting(url_option(json_option(command))))


@click.group()
def drill() -> None:
    """Play a fault of a backend on a running server, and see the server cope.

    Only where the configuration allows it: [debug] drills = true. Nothing is broken for it: the backend goes on, and
    the drill ends by itself. Breakers, retries, quorums and deadlines take it for the real thing. Every answer that it
    has a hand in says so, and so do `chorus backends` and `chorus requests`. It holds in all fronts of the server.

    \b
    Examples:
      chorus drill slow forest 800ms
      chorus drill stop forest --for 10s
      chorus drill fail forest --share 0.3
      chorus drill list
      chorus drill end
    """


@drill.command()
@click.argument("backend")
@click.argument("delay", type=Duration(MOST_DELAY))
@how
def slow(backend: str, delay: float, share: float, seconds: float, url: str | None, as_json: bool) -> None:
    """BACKEND answers DELAY later than it would.

    \b
    Examples:
      chorus drill slow forest 800ms
      chorus drill slow forest 1.5s --share 0.1 --for 5m
    """
    _begin(url, backend, {"fault": "slow", "delay_ms": delay * 1e3, "share": share, "for_s": seconds}, as_json)


@drill.command()
@click.argument("backend")
@click.option("--reason", type=click.Choice(get_args(Reason)), default="error", show_default=True, help="With what.")
@how
def fail(backend: str, reason: str, share: float, seconds: float, url: str | None, as_json: bool) -> None:
    """BACKEND fails at once.

    By an exception of its own, unless another --reason is given: nobody listens there (connect), the connection
    breaks (reset), a remote server has a fault (http_5xx) or too much to do (overloaded).

    \b
    Examples:
      chorus drill fail forest
      chorus drill fail forest --reason reset --share 0.3
    """
    _begin(url, backend, {"fault": "fail", "reason": reason, "share": share, "for_s": seconds}, as_json)


@drill.command()
@click.argument("backend")
@how
def garbage(backend: str, share: float, seconds: float, url: str | None, as_json: bool) -> None:
    """BACKEND answers with nonsense: too few rows, no numbers, probabilities that do not sum to one.

    Its answers are spoiled, one way after the other, and then checked as any other answer is.

    \b
    Example:
      chorus drill garbage forest
    """
    _begin(url, backend, {"fault": "garbage", "share": share, "for_s": seconds}, as_json)


@drill.command()
@click.argument("backend")
@how
def stop(backend: str, share: float, seconds: float, url: str | None, as_json: bool) -> None:
    """BACKEND gives no answer at all, and no error.

    \b
    Example:
      chorus drill stop forest --for 10s
    """
    _begin(url, backend, {"fault": "stop", "share": share, "for_s": seconds}, as_json)


@drill.command(name="list")
@url_option
@json_option
def list_(url: str | None, as_json: bool) -> None:
    """Show the drills that are on.

    \b
    Example:
      chorus drill list
    """
    answer = Client(url).get("debug", "drills")
    if as_json:
        echo_json(answer)
    elif not answer["allowed"]:
        click.echo("no drills here; [debug] drills = true in chorus.toml allows them, after `chorus reload --restart`")
    elif not answer["drills"]:
        click.echo("no drill is on")
    else:
        table = Table(box=None, pad_edge=False)
        for heading in ("backend", "drill", "over in"):
            table.add_column(heading)
        for one in answer["drills"]:
            table.add_row(one["name"], one["drill"], f"{one['remaining_s']:.3g} s")
        wide_console().print(table)


@drill.command()
@click.argument("backend", required=False)
@url_option
@json_option
def end(backend: str | None, url: str | None, as_json: bool) -> None:
    """End the drill at BACKEND, or all drills.

    \b
    Examples:
      chorus drill end forest
      chorus drill end
    """
    client = Client(url)
    path = ("debug", "drills", "end") if backend is None else ("debug", "backends", backend, "drill", "end")
    answer = client.post(*path)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"ended: {', '.join(answer['ended'])}" if answer["ended"] else "no drill is on")
    tell_missing(answer)


def _begin(url: str | None, backend: str, wanted: dict[str, object], as_json: bool) -> None:
    answer = Client(url).post("debug", "backends", backend, "drill", body=wanted)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"{answer['name']}: {answer['drill']}, for {answer['remaining_s']:g} s; `chorus drill end` ends it now")
    if "warning" in answer:
        click.echo(f"warning: {answer['warning']}", err=True)
    tell_missing(answer)

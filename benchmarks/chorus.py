"""Chorus itself, under test: configurations of the five members of `breast-cancer`, and what it counts."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from urllib.request import urlopen

import click

from benchmarks.process import Server
from models.registry import Registry
from server.config import load_config

MEMBERS = ("logreg", "forest", "hist-gb", "mlp", "xgboost")
ENSEMBLE = "all"
PATIENCE_MS = 10_000  # where it is about the work, all of it should be done, however long it takes on a slow machine

_ANSWERS = re.compile(r'^chorus_answers_total\{.*status="(complete|decided|partial|fallback)".*\} (\S+)$', re.MULTILINE)
_ERRORS = re.compile(r'^chorus_http_requests_total\{.*status="((?!499)[45]\d\d)".*\} (\S+)$', re.MULTILINE)
"""499 is a client that has gone, as wrk does at the end."""


def local(name: str, *, inline: bool, model: str = "") -> str:
    """The table of one backend: the member `model` of `breast-cancer`, by default the one of that name."""
    return f'[backends.{name}]\nmodel = "breast-cancer/{model or name}"\ninline = {str(inline).lower()}\n'


def ensemble(members: Iterable[str], name: str = ENSEMBLE, **settings: object) -> str:
    """The table of one ensemble; `settings` as TOML writes them."""
    lines = [f"{key} = {value}" for key, value in settings.items()]
    return "\n".join([f"[ensembles.{name}]", f"members = {list(members)}", *lines, ""])


def five(*, inline: bool) -> str:
    """The five members and one ensemble of them, as in the demonstration."""
    backends = "".join(local(name, inline=inline) for name in MEMBERS)
    return backends + ensemble(MEMBERS, rule='"log_pool"', timeout_ms=PATIENCE_MS)


def start(name: str, tables: str, registry: Path, folder: Path, *, access_log: bool = True) -> Server:
    """`chorus serve` with these tables. Its log goes to a file in `folder`."""
    path = folder / f"{name}.toml"
    path.write_text(f'[server]\naccess_log = {str(access_log).lower()}\n[registry]\npath = "{registry}"\n{tables}')
    return Server(name, ["-m", "server", "serve", "--config", str(path), "--port", "0"], folder)


def registry_at(given: Path | None) -> Path:
    """The folder of a registry that has the five models.

    Raises:
        click.ClickException: it lacks one.
    """
    path = (given or Path(load_config(Path("chorus.toml")).registry.path)).absolute()
    if missing := Registry(path).missing([f"breast-cancer/{name}" for name in MEMBERS]):
        raise click.ClickException(f"{path} lacks {', '.join(missing)}; try: chorus train --missing")
    return path


def statuses(server: Server) -> Counter[str]:
    """How many answers of its ensembles had which status, since it was started; errors by their HTTP status."""
    with urlopen(f"{server.origin}/metrics", timeout=10) as response:
        return read_statuses(response.read().decode())


def read_statuses(metrics: str) -> Counter[str]:
    """The answers and errors by status that /metrics counts, of all ensembles and routes together."""
    counted: Counter[str] = Counter()
    for status, count in _ANSWERS.findall(metrics) + _ERRORS.findall(metrics):
        counted[status] += int(float(count))
    return counted

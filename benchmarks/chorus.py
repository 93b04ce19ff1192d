"""Chorus itself, under test: configurations of the five members of `breast-cancer`, and what it counts."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.request import urlopen

from benchmarks.process import Server

MEMBERS = ("logreg", "forest", "hist-gb", "mlp", "xgboost")
ENSEMBLE = "all"

_ANSWERS = re.compile(r'^chorus_answers_total\{ensemble="([^"]+)",status="([^"]+)"\} (\S+)$', re.MULTILINE)


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
    return backends + ensemble(MEMBERS, rule='"log_pool"')


def start(name: str, tables: str, registry: Path, folder: Path) -> Server:
    """`chorus serve` with these tables. It writes no access log, as nobody else here does."""
    path = folder / f"{name}.toml"
    path.write_text(f'[server]\naccess_log = false\n[registry]\npath = "{registry}"\n{tables}')
    return Server(name, ["-m", "server", "serve", "--config", str(path), "--port", "0"], folder)


def answers(server: Server) -> Counter[tuple[str, str]]:
    """How many answers of each ensemble had which status, since it was started."""
    with urlopen(f"{server.origin}/metrics", timeout=10) as response:
        return read_answers(response.read().decode())


def read_answers(metrics: str) -> Counter[tuple[str, str]]:
    """The answers by ensemble and status that /metrics counts."""
    return Counter({(found[1], found[2]): int(float(found[3])) for found in _ANSWERS.finditer(metrics)})


def shares(counted: Mapping[tuple[str, str], int], name: str = ENSEMBLE) -> dict[str, float]:
    """The share of each status among the answers of the ensemble `name`."""
    of = {status: count for (ensemble_name, status), count in counted.items() if ensemble_name == name and count}
    return {status: count / sum(of.values()) for status, count in of.items()}

"""Who is asked, and with which rows: as the server itself says, or a file."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from models.errors import ChorusError, InvalidRequest
from models.types import TensorSpec
from server.bench.requests import Model
from server.cells import Columns
from server.commands.client import Client
from server.config import ConfigError
from server.prediction import columns_of
from server.rows import Row, read_rows

MOST_ROWS = 10_000
DEFAULT_TIMEOUT_MS = 1000.0  # of a backend that names none


@dataclass(frozen=True, slots=True)
class Subject:
    """A model, its own timeout, and the rows to ask it about; `source` says whose they are."""

    model: Model
    timeout_ms: float
    rows: list[Sequence[Any]]
    source: str


def subject_of(client: Client, name: str | None, file: Path | None) -> Subject:
    """What the server at `client` serves as `name`, or by default.

    Raises:
        ChorusError: nobody answers, there is no such model, or no row.
    """
    index = client.get()
    name = name or _default(index, client.url)
    about = client.get("v2", "models", name)
    specs = tuple(TensorSpec(one["name"], one["datatype"], tuple(one["shape"])) for one in about["inputs"])
    model = Model(name, specs)
    known = index.get("models", {}).get(name, {})
    columns = columns_of(specs, about.get("parameters", {}).get("features", []))
    rows = _examples(client, name, known) if file is None else _from_file(file, columns)
    source = "the server's examples" if file is None else str(file)
    return Subject(model, known.get("timeout_ms", DEFAULT_TIMEOUT_MS), rows, source)


def _default(index: dict[str, Any], url: str) -> str:
    if index.get("name") != "chorus" or not index.get("default"):
        raise ConfigError(f"{url} names no default model; say which: chorus bench {url} MODEL")
    return str(index["default"])


def _examples(client: Client, name: str, known: dict[str, Any]) -> list[Sequence[Any]]:
    """All that the server shows to whom it trusts, else the one that it shows to everyone."""
    try:
        rows = client.get("debug", "backends", name, "examples")["instances"]
    except ChorusError:
        rows = known.get("example", {}).get("instances", [])
    if not rows:
        raise ConfigError(f"the server has no example of {name!r}; name a file of rows: --rows FILE")
    return list(rows)


def _from_file(path: Path, columns: Columns) -> list[Sequence[Any]]:
    try:
        with path.open("rb") as stream:
            rows = list(itertools.islice(read_rows(stream, str(path), columns), MOST_ROWS))
        values = [_values(row, columns) for row in rows]
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error}") from error
    if not values:
        raise ConfigError(f"{path}: no rows")
    return values


def _values(row: Row, columns: Columns) -> Sequence[Any]:
    """In the order of the features."""
    values: Any = msgspec.json.decode(row.json)
    if isinstance(values, dict):
        missing = [name for name in columns.names if name not in values]
        extra = [name for name in values if name not in columns.names]
        if missing or extra:
            wrong = f"no value for {missing[0]!r}" if missing else f"{extra[0]!r} is no feature of the model"
            raise InvalidRequest(f"{row.place}: {wrong}")
        return [values[name] for name in columns.names]
    return list(values)

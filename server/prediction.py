"""Rows asked of a model from the command line: over HTTP, or in this process, composed as a server composes it.

Both speak the same protocol, so that an answer looks the same wherever it comes from.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from backends.served import Served
from models.errors import ChorusError, ConnectFailed, InvalidRequest, UnknownName
from models.names import no_such
from models.registry import Registry
from models.types import TensorSpec
from server.cells import Columns, column_at
from server.codecs import kserve_v1
from server.compose import composed
from server.composition import Composition
from server.consistency import parts_of
from server.listening import reason_of
from server.plan import make_plan
from server.rows import Row
from server.settings import Config, LocalSettings

VERIFY_SECONDS = 3.0  # for remote members, which are asked for their metadata first
MAX_SECONDS = 3600.0

_PLACE = re.compile(r"^\$\.instances\[(\d+)\](?:\[(?:(\d+)|(.*))\])?")


class Asker(Protocol):
    """A model that can be asked; `columns` are its features."""

    @property
    def columns(self) -> Columns: ...

    async def ask(self, body: bytes) -> dict[str, Any]:
        """The answer to one request of KServe's first protocol. Raises ChorusError."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """A backend or composite in this process."""

    served: Served
    columns: Columns

    async def ask(self, body: bytes) -> dict[str, Any]:
        began = time.perf_counter()
        served = self.served
        call, timeout = kserve_v1.decode(body, served.signature, "", "", served.extra)
        served.check(call.parameters)
        deadline = served.deadline(asyncio.get_running_loop().time(), timeout, MAX_SECONDS)
        response = await served.backend(call, deadline)
        elapsed, explain = time.perf_counter() - began, call.parameters.explain
        answer = kserve_v1.encode(response, served.signature, served.name, elapsed, explain=explain)
        decoded: dict[str, Any] = msgspec.json.decode(answer)
        return decoded


@dataclass(frozen=True, slots=True)
class Server:
    """A model of the Chorus at `url`."""

    session: aiohttp.ClientSession
    url: str
    name: str
    columns: Columns

    async def ask(self, body: bytes) -> dict[str, Any]:
        return await _json(self.session, "POST", f"{self.url}/v1/models/{quote(self.name)}:predict", body)


@asynccontextmanager
async def in_process(config: Config, name: str) -> AsyncIterator[Asker]:
    """The backend or composite `name` of `config`, or a model of its registry, with all that it asks.

    Raises:
        ChorusError: there is none, or it cannot be loaded.
    """
    async with composed_here(config, name) as (_, served):
        specs = served.signature.inputs
        yield InProcess(served, columns_of(specs, served.signature.features))


@asynccontextmanager
async def composed_here(config: Config, name: str) -> AsyncIterator[tuple[Composition, Served]]:
    """What stands behind `name`, in this process, with all that it asks. Raises as `in_process`."""
    config, name = inlined(config, name)
    plan = make_plan(config, Registry(Path(config.registry.path)), Path())
    async with composed(plan, {}) as composition:
        await _verified(composition)
        yield composition, composition.find(name)


@asynccontextmanager
async def at_server(url: str, name: str) -> AsyncIterator[Asker]:
    """The model `name` of the Chorus at `url`.

    Raises:
        ChorusError: it does not answer, or has no such model.
    """
    url = url.rstrip("/")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5)) as session:
        about = await _json(session, "GET", f"{url}/v2/models/{quote(name)}")
        features = about.get("parameters", {}).get("features", [])
        specs = [TensorSpec(one["name"], one["datatype"], tuple(one["shape"])) for one in about["inputs"]]
        yield Server(session, url, name, columns_of(specs, features))


def inlined(config: Config, name: str) -> tuple[Config, str]:
    """`config` with `name` and what it asks alone, each local model in this process and with all the time it needs."""
    if name not in config.names:
        if "/" not in name and "@" not in name:
            raise UnknownName(
                f"{no_such('model', name, config.names)}; a model of the registry: its name with '/' or '@'"
            )
        config = Config(server=config.server, registry=config.registry, backends={"model": LocalSettings(model=name)})
        name = "model"
    wanted = reachable(config, name)
    backends = {one: _inline(config.backends[one]) for one in config.backends if one in wanted}
    composites = {one: config.composites[one] for one in config.composites if one in wanted}
    server = msgspec.structs.replace(config.server, default=None)
    return msgspec.structs.replace(config, server=server, backends=backends, composites=composites), name


def reachable(config: Config, name: str) -> frozenset[str]:
    """`name` and all that it asks."""
    parts = parts_of(config.composites[name]) if name in config.composites else ()
    return frozenset({name}).union(*(reachable(config, part) for part in parts))


def _inline(settings: Any) -> Any:
    if "inline" not in settings.__struct_fields__:
        return settings
    wanted = {"inline": True, "processes": 1, "timeout_ms": None}
    changed = {key: value for key, value in wanted.items() if key in settings.__struct_fields__}
    return msgspec.structs.replace(settings, **changed)


async def _verified(composition: Composition) -> None:
    """Wait for remote members, which are not asked before; not for ever."""
    until = time.monotonic() + VERIFY_SECONDS
    states = [one.state for one in composition.served.values()]
    while any(state.phase == "unverified" for state in states) and time.monotonic() < until:  # noqa: ASYNC110 - a state has no event
        await asyncio.sleep(0.02)


def columns_of(specs: Sequence[TensorSpec], features: Sequence[str]) -> Columns:
    """A tensor's datatype is that of each of its columns."""
    datatypes = tuple(spec.datatype for spec in specs for _ in range(max(1, spec.shape[-1] if spec.shape[1:] else 1)))
    return Columns(tuple(features) if len(features) == len(datatypes) else (), datatypes)


async def _json(session: aiohttp.ClientSession, method: str, url: str, body: bytes | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        async with session.request(method, url, data=body, headers=headers) as response:
            raw, status = await response.read(), response.status
    except (aiohttp.ClientError, OSError) as error:
        raise ConnectFailed(f"cannot reach {url}: {reason_of(error)}") from error
    try:
        said: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ChorusError(f"{url}: HTTP status {status}, and no JSON; is it a Chorus?") from None
    if status == 200:
        return said
    if status == 400 and "where" in said:
        raise InvalidRequest(str(said.get("detail", "")), str(said["where"]))
    raise ChorusError(f"{url}: HTTP status {status}: {said.get('error', said.get('detail', 'no reason given'))}")


async def answer(asker: Asker, rows: Sequence[Row], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer for `rows`.

    Raises:
        ChorusError: with the rows' places.
    """
    body = b'{"instances":[' + b",".join(row.json for row in rows) + b"]"
    body += b',"parameters":' + msgspec.json.encode(parameters) + b"}"
    try:
        return await asker.ask(body)
    except InvalidRequest as error:
        raise InvalidRequest(_placed(error, rows, asker.columns), error.where) from error
    except ChorusError as error:
        places = rows[0].place if len(rows) == 1 else f"{rows[0].place} to {rows[-1].place}"
        raise ChorusError(f"{places}: {error}") from error


def _placed(error: InvalidRequest, rows: Sequence[Row], columns: Columns) -> str:
    """What is wrong, and on which line."""
    place = _PLACE.match(error.where)
    if place is None:
        return f"{error.where.removeprefix('$.')}: {error}"
    at, index, name = place.groups()
    column = f"{column_at(columns, int(index))}: " if index else f"{name}: " if name else ""
    return f"{rows[int(at)].place}: {column}{_in_words(str(error))}"


def _in_words(message: str) -> str:
    """What a row that is not JSON was given as, without JSON's words."""
    if length := re.fullmatch(r"Expected `array` of length (\d+), got (\d+)", message):
        return f"expected {length[1]} values, got {length[2]}"
    return re.sub(r"^Expected `\w+`, got `null`$", "a missing value, which this model does not take", message)

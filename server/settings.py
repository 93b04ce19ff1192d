"""The shape of chorus.toml, typed.

Each type carries the words that a mistake is explained with. Everything survives `msgspec.json`: child processes are
handed the configuration as JSON.
"""

import ipaddress
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
Label = Annotated[str, Meta(min_length=1, description="a label")]
Model = Annotated[str, Meta(min_length=1, description="the name of a model")]
Function = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="a function, 'module:function'")]
Port = Annotated[int, Meta(ge=0, le=65535, description="an integer from 0 to 65535")]
Count = Annotated[int, Meta(ge=1, le=2**31, description="a positive integer")]
Fronts = Annotated[int, Meta(ge=1, le=64, description="an integer from 1 to 64")]
CountOrNone = Annotated[int, Meta(ge=0, le=2**31, description="an integer that is not negative")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number over 0 and at most 1")]
Weight = Annotated[float, Meta(gt=0, le=1e9, description="a positive number, at most 1e9")]
Temperature = Annotated[float, Meta(ge=0.2, le=5, description="a number from 0.2 to 5")]
Seconds = Annotated[float, Meta(gt=0, le=86_400, description="positive seconds, at most a day")]
Rate = Annotated[int, Meta(ge=1, le=1_000_000, description="an integer from 1 to 1000000")]
Milliseconds = Annotated[float, Meta(gt=0, le=86_400_000, description="positive milliseconds, at most a day")]
"""Finite, and small enough for uvloop, whose timers are in whole milliseconds and overflow."""
Patience = Annotated[float, Meta(ge=0, le=86_400_000, description="milliseconds, at most a day, or 0")]


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where to listen and what to accept. `default` None: see `Config.default`.

    `fronts`: the processes that take requests, `--workers` on the command line. `max_connections` of all of them; None:
    as many as the system's limit of open files allows. A process silent for `hung_ms` is replaced; 0: never.
    """

    host: Text = "127.0.0.1"
    port: Port = 8080
    default: Text | None = None
    max_timeout_ms: Milliseconds = 60_000
    max_body_bytes: Count = 16 * 2**20
    access_log: bool = True
    loop: Literal["uvloop", "asyncio"] = "uvloop"
    fronts: Fronts = 1
    max_connections: Count | None = None
    hung_ms: Patience = 5000


class RegistrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[registry]`: where the models are; absolute once read, in the file relative to the file's own folder."""

    path: Text = ".chorus/registry"


class DebugSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[debug]`: whether the debug routes are there; None: only on a loopback address."""

    enabled: bool | None = None


class BatchSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`batch`: requests that come while others are under way are asked as one, of at most `max_rows` rows."""

    max_rows: Count = 256


def rows_per_batch(batch: bool | BatchSettings | None, safe: bool) -> int | None:
    """The rows of a batch at most, None without batches; `safe`: whether they are there unless said otherwise."""
    if isinstance(batch, BatchSettings):
        return batch.max_rows
    return BatchSettings().max_rows if batch or (batch is None and safe) else None


class BackendSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every backend has: `limit` calls under way, `queue` calls that wait, `timeout_ms` for each.

    `batch` None: only where it is known to be safe, with a model of the registry, which was tried row by row and all at
    once.
    """

    timeout_ms: Milliseconds | None = None
    limit: Count = 32
    queue: CountOrNone = 64
    batch: bool | BatchSettings | None = None


class LocalSettings(BackendSettings, frozen=True, kw_only=True, tag_field="kind", tag="local"):
    """`[backends.NAME]` for a model of the registry; `inline`: in the front, not in a process of its own."""

    model: Model
    inline: bool = False
    threads: Count = 1


class ThrottleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`throttle`: in any `period_s` at most `rate` calls begin, at each address."""

    rate: Rate
    period_s: Seconds = 1.0


class RemoteSettings(BackendSettings, frozen=True, kw_only=True, tag_field="kind", tag="remote"):
    """`[backends.NAME]` for a model behind a `url`, or behind several; `model` and the tensors are named as over there.

    All features are one tensor, `input`, or each is a tensor (n, 1) that `inputs` names. `gives = "labels"`: the output
    is no probabilities but a label per row, a string or an integer.
    """

    model: Model
    url: Text | tuple[Text, ...]
    features: tuple[Text, ...]
    labels: tuple[Text, ...] = ()
    task: Literal["classification", "regression"] = "classification"
    input: Text = "features"
    inputs: dict[str, Text] = {}
    datatype: Literal["FP32", "FP64"] = "FP32"
    output: Text = "probabilities"  # of a regression, once read: predictions
    gives: Literal["probabilities", "labels"] = "probabilities"
    binary: bool = True
    throttle: ThrottleSettings | None = None
    temperature: Temperature | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address."""
        urls = (self.url,) if isinstance(self.url, str) else self.url
        return tuple(url.rstrip("/") for url in urls)


class PythonSettings(BackendSettings, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """`[backends.NAME]` for a function of the user's, `pkg.mod:function`; see `models.runtimes.python`.

    A feature is `name`, or `name:DATATYPE` where it is no float32. `path`: the folder that Python looks in first,
    absolute once read, in the file relative to the file's own folder. `example`: a row to try it with at the start, and
    to show callers. `inline`: as of a model of the registry.
    """

    python: Function
    features: tuple[Text, ...]
    labels: tuple[Text, ...] = ()
    task: Literal["classification", "regression"] = "classification"
    path: Text = "."
    nullable: bool = False
    temperature: Temperature | None = None
    example: tuple[Any, ...] = ()
    inline: bool = False


class EnsembleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[ensembles.NAME]`; None is the default of the rule or of the fan-out, and a weight that is not given is 1.

    `rule` may be a class of the user's, `pkg.mod:Class`; `path` is the folder that Python looks in first, absolute once
    read. `fallback`: a label, probabilities by label, or a number. `batch` None: if all members are.
    """

    members: tuple[Text, ...]
    rule: Text | None = None
    timeout_ms: Milliseconds = 1000
    quorum: Count | None = None
    quorum_weight: Share | None = None
    weights: dict[str, Weight] = {}
    required: tuple[Text, ...] = ()
    early: bool | None = None
    linger_ms: Milliseconds = 10
    min_agreement: Share | None = None
    fallback: Label | float | dict[str, float] | None = None
    batch: bool | BatchSettings | None = None
    path: Text = "."


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of chorus.toml, in the order of the file."""

    server: ServerSettings = ServerSettings()
    registry: RegistrySettings = RegistrySettings()
    debug: DebugSettings = DebugSettings()
    backends: dict[str, LocalSettings | RemoteSettings | PythonSettings] = {}
    ensembles: dict[str, EnsembleSettings] = {}

    @property
    def default(self) -> str:
        """The name that `POST /predict` asks: the one configured, else the first ensemble, else the first backend."""
        return self.server.default or next(iter((*self.ensembles, *self.backends)))

    @property
    def debug_enabled(self) -> bool:
        """Whether the debug routes are there."""
        return is_loopback(self.server.host) if self.debug.enabled is None else self.debug.enabled


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; of a name that is not `localhost` nobody knows."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

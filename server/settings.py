"""The shape of chorus.toml, typed.

Everything survives `msgspec.json`: child processes are handed the configuration as JSON. What a composite is called
and has in it is in `server.composites`, in one file for each kind.
"""

import ipaddress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

from msgspec import Struct

from server.composites import KINDS, kind_of
from server.composites.ensemble import EnsembleSettings
from server.composites.kind import CompositeSettings
from server.values import (
    BatchSettings,
    CacheSettings,
    Cost,
    Count,
    CountOrNone,
    Fronts,
    Function,
    KeyName,
    Milliseconds,
    Model,
    Patience,
    Port,
    Processes,
    Rate,
    Seconds,
    Temperature,
    Text,
)

__all__ = [
    "BackendSettings",
    "CacheSettings",
    "Config",
    "DebugSettings",
    "EnsembleSettings",
    "LocalSettings",
    "PythonSettings",
    "RegistrySettings",
    "RemoteSettings",
    "ServerSettings",
    "Text",
    "ThrottleSettings",
    "is_loopback",
]

if TYPE_CHECKING:
    AnyComposite: TypeAlias = CompositeSettings
else:
    AnyComposite = Union[tuple(kind.settings for kind in KINDS)]  # noqa: UP007 - as many as there are kinds


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where to listen and what to accept. `default` None: see `Config.default`.

    `fronts`: the processes that take requests, `--workers` on the command line. `max_connections` of all of them; None:
    as many as the system's limit of open files allows. A process silent for `hung_ms` is replaced; 0: never. Each
    front has a bound on requests under way that adapts, from `min_in_flight` to `max_in_flight`, and holds at most
    `max_bodies_bytes` of their bodies; `max_memory_bytes` None: it may grow as it likes.
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
    min_in_flight: Count = 8
    max_in_flight: Count = 1024
    brown_out: bool = True
    header_timeout_ms: Milliseconds = 10_000
    body_timeout_ms: Milliseconds = 15_000
    write_timeout_ms: Milliseconds = 30_000
    max_bodies_bytes: Count = 64 * 2**20
    max_memory_bytes: Count | None = None


class RegistrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[registry]`: where the models are; absolute once read, in the file relative to the file's own folder."""

    path: Text = ".chorus/registry"


class DebugSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[debug]`: whether the debug routes are there; None: only on a loopback address. `drills`: what they may play."""

    enabled: bool | None = None
    drills: bool = False


class BackendSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every backend has: `limit` calls under way, `queue` calls that wait, `timeout_ms` for each.

    `batch` None: only where it is known to be safe, with a model of the registry, which was tried row by row and all at
    once. `breaker`, `retry` and `hedge` are for what runs elsewhere, not for what is inline.
    """

    timeout_ms: Milliseconds | None = None
    limit: Count = 32
    queue: CountOrNone = 64
    batch: bool | BatchSettings | None = None
    breaker: bool = True
    retry: bool = True
    hedge: bool = False
    cache: bool | CacheSettings = False
    coalesce: bool = False

    @property
    def timeout(self) -> float | None:
        """The seconds that one call may take at most; None: the caller's deadline."""
        return None if self.timeout_ms is None else self.timeout_ms / 1e3

    @property
    def kept(self) -> CacheSettings | None:
        """What is kept of its answers."""
        return CacheSettings() if self.cache is True else self.cache or None


class LocalSettings(BackendSettings, frozen=True, kw_only=True, tag_field="kind", tag="local"):
    """`[backends.NAME]` for a model of the registry, in so many `processes` of its own, or `inline`, in the front.

    `canary_key`: while its champion has a canary, what always gets the same one of the two; None: the request's id.
    """

    model: Model
    inline: bool = False
    processes: Processes = 1
    threads: Count = 1
    canary_key: KeyName | None = None


class ThrottleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`throttle`: in any `period_s` at most `rate` calls begin, at each address."""

    rate: Rate
    period_s: Seconds = 1.0


class RemoteSettings(BackendSettings, frozen=True, kw_only=True, tag_field="kind", tag="remote"):
    """`[backends.NAME]` for a model behind a `url`, or behind several; `model` and the tensors are named as over there.

    All features are one tensor, `input`, or each is a tensor (n, 1) that `inputs` names. `gives = "labels"`: the output
    is no probabilities but a label per row, a string or an integer. `outputs`: those of a transform, as those of a
    function; columns of float32 are one tensor, `output`. What is not `idempotent` is never tried again, what has a
    `cost` never tried twice at once.
    """

    model: Model
    url: Text | tuple[Text, ...]
    features: tuple[Text, ...]
    labels: tuple[Text, ...] = ()
    task: Literal["classification", "regression", "transform"] = "classification"
    outputs: tuple[Text, ...] = ()
    input: Text = "features"
    inputs: dict[str, Text] = {}
    datatype: Literal["FP32", "FP64"] = "FP32"
    output: Text = "probabilities"  # of a regression, once read: predictions; of a transform: features
    gives: Literal["probabilities", "labels"] = "probabilities"
    binary: bool = True
    throttle: ThrottleSettings | None = None
    temperature: Temperature | None = None
    idempotent: bool = True
    cost: Cost = 0.0

    @property
    def urls(self) -> tuple[str, ...]:
        """Every address."""
        urls = (self.url,) if isinstance(self.url, str) else self.url
        return tuple(url.rstrip("/") for url in urls)


class PythonSettings(BackendSettings, frozen=True, kw_only=True, tag_field="kind", tag="python"):
    """`[backends.NAME]` for a function of the user's, `pkg.mod:function`; see `models.runtimes.python`.

    A feature is `name`, or `name:DATATYPE` where it is no float32, or `name:DATATYPE[3,4]` where it is no column but a
    tensor; so are the `outputs` of a transform. `path`: the folder that Python looks in first,
    absolute once read, in the file relative to the file's own folder. `example`: a row to try it with at the start, and
    to show callers. `inline` and `processes`: as of a model of the registry; `idempotent` and `cost`: as of a remote.
    """

    python: Function
    features: tuple[Text, ...]
    labels: tuple[Text, ...] = ()
    task: Literal["classification", "regression", "transform"] = "classification"
    outputs: tuple[Text, ...] = ()
    path: Text = "."
    nullable: bool = False
    temperature: Temperature | None = None
    example: tuple[Any, ...] = ()
    inline: bool = False
    processes: Processes = 1
    idempotent: bool = True
    cost: Cost = 0.0


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of chorus.toml, in the order of the file; `composites` are all the tables of `server.composites`, by name."""

    server: ServerSettings = ServerSettings()
    registry: RegistrySettings = RegistrySettings()
    debug: DebugSettings = DebugSettings()
    backends: dict[str, LocalSettings | RemoteSettings | PythonSettings] = {}
    composites: dict[str, AnyComposite] = {}

    @property
    def names(self) -> list[str]:
        """All that can be asked."""
        return [*self.composites, *self.backends]

    @property
    def default(self) -> str:
        """The name that `POST /predict` asks: the one configured, else the first that is no part of another."""
        parts = {part for settings in self.composites.values() for _, part in kind_of(settings).parts(settings)}
        outermost = [name for name in self.composites if name not in parts]
        return self.server.default or next(iter((*outermost, *self.names)))

    @property
    def ensembles(self) -> dict[str, EnsembleSettings]:
        """The composites that are ensembles."""
        return {name: one for name, one in self.composites.items() if isinstance(one, EnsembleSettings)}

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

"""What all processes of one server agree on: the configuration, and each reference pinned to a version.

The supervisor makes it once, so that a promotion between two starts cannot mix versions.
"""

from pathlib import Path

import msgspec

from models.registry import Registry
from server.background import background
from server.canaries import with_canaries
from server.folder import short_enough
from server.functions import version_of_function
from server.settings import Config, LocalSettings, PythonSettings, RemoteSettings

FRONTS = "fronts"
DRAIN_SECONDS = 10.0  # that a front may take for what is under way when it is told to stop
LONGEST_FRAME = 2**32 - 1


class Plan(msgspec.Struct, frozen=True):
    """`pinned` maps each backend to a registry reference with its version; `folder` holds the private sockets.

    Plans of one server are numbered. `generations`: the number of the plan that a backend's workers were started for.
    """

    config: Config
    pinned: dict[str, str]
    runtimes: dict[str, str]
    folder: str
    number: int = 1
    generations: dict[str, int] = {}

    @property
    def registry_path(self) -> Path:
        return Path(self.config.registry.path)

    def workers(self) -> dict[str, int]:
        """The backends that run in processes of their own, and in how many."""
        settings = self.config.backends
        return {
            name: one.processes
            for name, one in settings.items()
            if not isinstance(one, RemoteSettings) and not one.inline
        }

    @property
    def longest_call(self) -> int:
        """The bytes of a call to a worker: digits and commas in a body take no less than a quarter of their tensors."""
        return min(4 * self.config.server.max_body_bytes, LONGEST_FRAME)

    def generation(self, backend: str) -> int:
        """Of its workers."""
        return self.generations.get(backend, self.number)

    def matter(self, backend: str) -> tuple[object, ...]:
        """All that its workers, if it has any, are started for."""
        of_workers = (self.longest_call, backend in background(self.config)) if backend in self.workers() else ()
        return (self.config.backends[backend], self.pinned.get(backend), self.config.registry.path, *of_workers)

    def making(self, backend: str) -> tuple[object, ...]:
        """All that a backend is made of: where this is the same, so is the backend."""
        return (*self.matter(backend), self.generation(backend) if backend in self.workers() else 0)

    def socket(self, backend: str, replica: int = 0) -> str:
        """Where the worker of `backend` listens that is number `replica`, from 0."""
        version = f"{self.pinned[backend].rpartition('@')[2]}.{self.generation(backend)}"
        place = f"+{replica + 1}" if self.workers()[backend] > 1 else ""  # which is in no name
        return str(Path(self.folder) / f"{backend}.{version}{place}.sock")

    def worker_name(self, backend: str, replica: int) -> str:
        """What a worker is called."""
        return f"worker {backend} {replica + 1}" if self.workers()[backend] > 1 else f"worker {backend}"

    def front_name(self, index: int) -> str:
        """What a front, counted from 0, is called."""
        return "front" if self.config.server.fronts == 1 else f"front {index + 1}"

    def front_path(self, index: int, kind: str) -> Path:
        """What a front keeps beside the workers' sockets, whose names may be anything: its own socket, its counters."""
        return Path(self.folder) / FRONTS / f"{index + 1}.{kind}"

    @property
    def board(self) -> Path:
        """Where the fronts write how many connections they have."""
        return Path(self.folder) / FRONTS / "board"


def local_backends(config: Config) -> dict[str, LocalSettings]:
    """The backends whose model is in the registry."""
    return {name: settings for name, settings in config.backends.items() if isinstance(settings, LocalSettings)}


def make_plan(config: Config, registry: Registry, folder: Path, number: int = 1) -> Plan:
    """Pin every reference of `config`; a backend whose champion has a canary becomes a split of the two.

    Raises:
        UnknownName, RegistryError: a model is not there, or cannot be read.
        ConfigError: the socket paths would be too long.
    """
    config = with_canaries(config, registry)
    versions = {name: registry.resolve(settings.model) for name, settings in local_backends(config).items()}
    for name, backend in config.backends.items():
        if isinstance(backend, PythonSettings):
            versions[name] = version_of_function(backend)
    pinned = {name: str(version) for name, version in versions.items()}
    runtimes: dict[str, str] = {name: version.manifest.runtime for name, version in versions.items()}
    plan = Plan(config, pinned, runtimes, str(folder), number)
    for name, count in plan.workers().items():
        short_enough(plan.socket(name, count - 1))
    return plan


def plan_path(plan: Plan) -> Path:
    """Where the children read it."""
    return Path(plan.folder) / f"plan-{plan.number}.json"


def write_plan(plan: Plan) -> Path:
    """Put `plan` where the children read it."""
    path = plan_path(plan)
    (path.parent / FRONTS).mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.encode(plan))
    return path


def read_plan(path: str) -> Plan:
    """The plan that the supervisor wrote."""
    return msgspec.json.decode(Path(path).read_bytes(), type=Plan)

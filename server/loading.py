"""Loads the model of one backend into this process, be it the front or a worker of its own. No HTTP."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from backends.local import Local
from models.registry import Registry, Version
from models.rows import inputs_of
from models.runtimes import Model, load
from server.functions import load_function, version_of_function
from server.settings import LocalSettings, PythonSettings
from server.threads import thread_for

BEHIND = 3  # of 19: where cores are short, the front, which everyone waits for, gets twice the share of a large call


def version_of(settings: LocalSettings | PythonSettings, registry: Registry, pinned: str) -> Version:
    """What the plan has pinned, or what the configuration says of a function."""
    return version_of_function(settings) if isinstance(settings, PythonSettings) else registry.resolve(pinned)


@contextmanager
def loaded(name: str, settings: LocalSettings | PythonSettings, version: Version) -> Iterator[Local]:
    """The model, warmed up, with a thread of its own, which lets others go first: tiny calls are not made in it.

    Raises:
        RegistryError: it cannot be loaded.
    """
    model = read_model(name, settings, version)
    with thread_for(name, niceness=BEHIND) as executor:
        yield local_of(model, executor, settings)


def read_model(name: str, settings: LocalSettings | PythonSettings, version: Version) -> Model:
    """The model, warmed up.

    Raises:
        RegistryError: it cannot be loaded.
    """
    if isinstance(settings, PythonSettings):
        model = load_function(name, settings, version)
    else:
        model = load(version.folder, version.manifest, settings.threads)
    warm_up(model, version)
    return model


def local_of(model: Model, executor: Executor, settings: LocalSettings | PythonSettings) -> Local:
    """`model` as a backend, which computes in `executor`."""
    return Local(model, executor, seconds=settings.timeout)


def warm_up(model: Model, version: Version) -> None:
    """Run the examples: the first call is slow, and a model that cannot run should say so before it is asked."""
    if version.manifest.examples:
        model(inputs_of(version.manifest.examples, version.manifest.signature.inputs))

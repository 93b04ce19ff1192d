"""What tests of several files are given: some of it takes seconds to make."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import Registry
from models.training import train
from tests.running import short


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with the five models of `breast-cancer`. Read it only; copy its folder to break something."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    train("breast-cancer", registry)
    return registry


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with the models of `digits` and `diabetes`. Read it only."""
    registry = Registry(tmp_path_factory.mktemp("others"))
    train("digits", registry)
    train("diabetes", registry)
    return registry


@pytest.fixture
def short_path(tmp_path: Path) -> Iterator[Path]:
    """The temporary folder of a test, by a name that is short enough for sockets in it."""
    with short(tmp_path) as name:
        yield name


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket on the loopback interface, at a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one

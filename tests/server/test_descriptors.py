"""Connections leave room for the descriptors that a front needs itself."""

import resource
from typing import Any

import pytest

from server.descriptors import FEWEST, most_connections, raised_limit, reserve
from server.settings import Config, LocalSettings, PythonSettings, RemoteSettings, ServerSettings


def config(**server: Any) -> Config:
    remote = RemoteSettings(model="m", url=("http://h:1", "http://h:2"), features=("a",), limit=10)
    backends: dict[str, LocalSettings | RemoteSettings | PythonSettings] = {
        "near": LocalSettings(model="m"),
        "here": LocalSettings(model="m", inline=True),
        "far": remote,
    }
    return Config(server=ServerSettings(**server), backends=backends)


def test_what_is_left_is_for_callers() -> None:
    assert most_connections(config(), 1024) == 1024 - reserve(config())
    assert reserve(config()) >= 20 + 32
    assert most_connections(config(), 10) == FEWEST


def test_fewer_can_be_asked_for_and_are_shared() -> None:
    assert most_connections(config(max_connections=100), 1024) == 100
    assert most_connections(config(max_connections=101, fronts=2), 1024) == 51
    assert most_connections(config(max_connections=5000), 1024) < 1024


@pytest.fixture
def limits() -> Any:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_as_far_as_it_goes(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, limits[1]))
    assert raised_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert raised_limit() > 300

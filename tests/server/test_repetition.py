from typing import Any

import pytest

from server.repetition import mistakes_of_repetition
from server.settings import LocalSettings, PythonSettings, RemoteSettings

TWO = ("http://a:1", "http://b:1")


def local(**said: Any) -> LocalSettings:
    return LocalSettings(model="m", **said)


def function(**said: Any) -> PythonSettings:
    return PythonSettings(python="m:f", features=("a",), **said)


def remote(url: str | tuple[str, ...] = TWO, **said: Any) -> RemoteSettings:
    return RemoteSettings(model="m", url=url, features=("a",), **said)


def keys(backend: LocalSettings | PythonSettings | RemoteSettings) -> list[str]:
    """The keys that do not fit."""
    return [mistake.key for mistake in mistakes_of_repetition({"m": backend})]


@pytest.mark.parametrize(
    "backend",
    [
        local(),
        local(processes=2, hedge=True),
        local(inline=True, cache=True, coalesce=True),
        function(idempotent=False, cost=1.0, processes=3),
        remote(hedge=True, cache=True, coalesce=True, batch=True),
        remote(cost=1.0, cache=True),
    ],
)
def test_what_fits_together(backend: LocalSettings | PythonSettings | RemoteSettings) -> None:
    assert keys(backend) == []


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (local(inline=True, processes=2), ["processes"]),
        (local(inline=True, processes=2, hedge=True), ["processes", "hedge"]),
        (local(hedge=True), ["hedge"]),
        (remote(url="http://a:1", hedge=True), ["hedge"]),
        (remote(hedge=True, cost=0.1), ["hedge"]),
        (
            remote(idempotent=False, hedge=True, cache=True, coalesce=True, batch=True),
            ["hedge", "cache", "coalesce", "batch"],
        ),
        (function(idempotent=False, coalesce=True), ["coalesce"]),
    ],
)
def test_what_does_not(backend: LocalSettings | PythonSettings | RemoteSettings, expected: list[str]) -> None:
    assert keys(backend) == expected


def test_a_mistake_says_what_it_would_take() -> None:
    (mistake,) = mistakes_of_repetition({"m": local(hedge=True)})
    assert str(mistake) == "[backends.m] hedge: there is no other replica to ask; it takes processes = 2"

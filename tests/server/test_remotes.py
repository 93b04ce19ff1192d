"""Remote models are asked for what they say of themselves: here by a real Chorus, and by servers that are none."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from models.registry import Registry
from server.remotes import mistakes_of
from server.settings import RemoteSettings
from tests.running import Running, write_config


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(write_config(folder, trained.path, inline=True), folder) as running:
        yield running


def right(url: str, trained: Registry, **changed: object) -> RemoteSettings:
    """The forest of the server at `url`, as it should be configured."""
    signature = trained.manifest("breast-cancer/forest").signature
    said: dict[str, object] = {"model": "forest", "features": signature.features, "labels": signature.labels}
    return RemoteSettings(url=url, **(said | changed))  # type: ignore[arg-type]  # as a file would say


def found(*remotes: RemoteSettings) -> list[str]:
    return list(map(str, asyncio.run(mistakes_of({f"r{at}": remote for at, remote in enumerate(remotes)}))))


@pytest.mark.processes
def test_a_remote_that_is_as_configured_is_no_finding(server: Running, trained: Registry) -> None:
    assert found(right(server.origin, trained), right(server.origin + "/", trained, model="soft")) == []


@pytest.mark.processes
def test_a_model_that_is_not_there_is_told_with_those_that_are(server: Running, trained: Registry) -> None:
    (line,) = found(right(server.origin, trained, model="forst"))
    assert line.startswith(f"[backends.r0] model: {server.origin}: no model 'forst', did you mean 'forest'?")


@pytest.mark.processes
def test_another_signature_is_told(server: Running, trained: Registry) -> None:
    signature = trained.manifest("breast-cancer/forest").signature
    names = signature.features
    lines = found(
        right(server.origin, trained, features=("a", "b")),
        right(server.origin, trained, input="x"),
        right(server.origin, trained, output="y"),
        right(server.origin, trained, labels=("a", "b")),
        right(server.origin, trained, features=(names[1], names[0], *names[2:])),
    )
    expected = (
        "takes 30 features, not 2",
        "has no input 'x'",
        "has no output 'y'",
        "its labels are",
        "its features are",
    )
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith(f"[backends.r{expected.index(words)}] model: 'forest' at {server.origin}: ")
        assert words in line


@pytest.mark.sockets
def test_an_address_that_nobody_listens_on_is_told(trained: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (line,) = found(right(f"http://127.0.0.1:{port}", trained))
    assert line == f"[backends.r0] url: cannot reach http://127.0.0.1:{port}: connection refused; is the server up?"


@contextmanager
def answering(trained: Registry, status: int, text: str) -> Iterator[list[str]]:
    """What is found at a server that gives one answer to everything."""

    async def ask() -> list[str]:
        async def handler(_request: web.Request) -> web.Response:
            return web.Response(status=status, text=text)

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = runner.addresses[0][1]
            return list(map(str, await mistakes_of({"far": right(f"http://127.0.0.1:{port}", trained)})))
        finally:
            await runner.cleanup()

    yield asyncio.run(ask())


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (404, "nothing", "is no server of the Open Inference Protocol v2: GET /v2 gives HTTP status 404"),
        (302, "elsewhere", "is no server of the Open Inference Protocol v2: GET /v2 gives HTTP status 302"),
        (200, "<html>", "not the metadata of the Open Inference Protocol v2"),
        (200, '{"name": "forest"}', "not the metadata of the Open Inference Protocol v2"),
        (200, " " * (2 << 20), "its metadata is longer than 1048576 bytes"),
    ],
)
def test_a_server_of_another_kind_is_told(trained: Registry, status: int, text: str, expected: str) -> None:
    with answering(trained, status, text) as lines:
        (line,) = lines
    assert line.startswith("[backends.far] ")
    assert expected in line


@pytest.mark.sockets
def test_a_remote_that_is_silent_is_told(trained: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.remotes.ASK_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (line,) = found(right(f"http://127.0.0.1:{silent.getsockname()[1]}", trained))
    assert "no answer from http://127.0.0.1:" in line

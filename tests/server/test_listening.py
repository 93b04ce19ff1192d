import socket
import threading
from pathlib import Path

import pytest

from models.registry import Registry
from server.kinds import Backend
from server.listening import cannot_listen, chorus_at, findings_of, origin_of
from server.settings import Config, LocalSettings, ServerSettings
from tests.running import Running, write_config

pytestmark = pytest.mark.processes


def of(port: int, *names: str, host: str = "127.0.0.1") -> Config:
    backends: dict[str, Backend] = {name: LocalSettings(model="m") for name in names}
    return Config(server=ServerSettings(host=host, port=port), backends=backends)


def test_a_free_address_is_no_finding_and_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert not findings_of(of(port)).lines()
    assert cannot_listen("127.0.0.1", port) is None
    assert not findings_of(of(0)).lines()


def test_an_address_in_use_by_another_program_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        threading.Thread(target=_answer, args=(taken,), daemon=True).start()
        (line,) = findings_of(of(taken.getsockname()[1])).lines()
    assert line.startswith("error: [server] port: 127.0.0.1:")
    assert line.endswith("is in use by another program; stop it, or take another port")


def _answer(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"name":"x", "models": {}}')


def test_an_address_that_is_not_ours_is_an_error() -> None:
    (line,) = findings_of(of(80, host="192.0.2.1")).lines()
    assert line.startswith("error: [server] host: cannot listen on 192.0.2.1:80: cannot assign requested address")


def test_a_chorus_is_named_by_what_it_serves_and_may_be_the_one_that_is_meant(
    trained: Registry, tmp_path: Path
) -> None:
    with Running(write_config(tmp_path, trained.path, inline=True), tmp_path) as running:
        port = int(running.origin.rpartition(":")[2])
        there = chorus_at("127.0.0.1", port)
        assert there is not None
        assert origin_of("0.0.0.0", port) == running.origin
        (other,) = findings_of(of(port, "a")).lines()
        assert "is in use by a Chorus that serves log_pool, soft, hard, " in other
        (same,) = findings_of(of(port, *there.models)).lines()
        assert same.startswith("warning: [server] port: a Chorus with these names runs on")

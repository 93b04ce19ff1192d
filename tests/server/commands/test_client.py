"""How commands find a server, and what they say where there is none."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from models.errors import ChorusError
from server.commands.client import Client
from server.config import ConfigError


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server of something else."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if "route" in self.path else 200)
            self.end_headers()
            self.wfile.write(b'{"error": "no route /x; GET / lists them"}' if "route" in self.path else b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_address_is_that_of_the_configuration_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHORUS_PORT", raising=False)
    assert Client(None).url == "http://127.0.0.1:8080"
    (tmp_path / "chorus.toml").write_text(
        '[server]\nhost = "0.0.0.0"\nport = 9001\n[backends.a]\nmodel = "a/b"\n[ensembles.e]\nmembers = ["a"]\n'
    )
    assert Client(None).url == "http://127.0.0.1:9001"
    assert Client("http://10.0.0.5:1/").url == "http://10.0.0.5:1"


@pytest.mark.parametrize("url", ["foo", "ftp://x", "http://", "http://x:port", "http://x:0"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected an address"):
        Client(url)


@pytest.mark.sockets
def test_where_nothing_listens_it_says_what_to_start() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ChorusError) as caught:
            Client(url).get("debug", "backends")
    assert str(caught.value) == f"nothing listens at {url}; start a server: chorus serve"


@pytest.mark.sockets
def test_another_program_is_told_apart(elsewhere: str) -> None:
    with pytest.raises(ChorusError, match="is no Chorus: /debug/backends is not JSON"):
        Client(elsewhere).get("debug", "backends")


@pytest.mark.sockets
def test_a_server_without_debug_routes_says_how_to_have_them(elsewhere: str) -> None:
    with pytest.raises(ChorusError, match=r"\[debug\] enabled = true"):
        Client(elsewhere).get("route")

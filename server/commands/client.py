"""A running server, asked by commands that show what it is doing."""

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
import msgspec

from models.errors import ChorusError
from server.config import ConfigError, load_config
from server.listening import origin_of

PATIENCE_SECONDS = 10.0
MAX_ANSWER_BYTES = 1 << 26
HERE = "chorus.toml"

url_option = click.option(
    "--url", envvar="CHORUS_URL", metavar="URL",
    help="The server to ask; also CHORUS_URL. Otherwise the address in chorus.toml here, or http://127.0.0.1:8080.",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print what the server answers, in JSON.")


class Client:
    """The server at `url`, or where one would be.

    Raises:
        ConfigError: the address is none.
    """

    def __init__(self, url: str | None) -> None:
        self.url = (url or default_url()).rstrip("/")
        split = urlsplit(self.url)
        try:
            port = split.port
        except ValueError:
            port = 0
        if split.scheme not in ("http", "https") or not split.hostname or port == 0:
            raise ConfigError(f"--url: expected an address such as http://127.0.0.1:8080, got {self.url[:64]!r}")
        self._connect = HTTPSConnection if split.scheme == "https" else HTTPConnection
        self._host, self._port, self._path = split.hostname, port, split.path

    def get(self, *path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The JSON at `path`, whose parts are quoted; of `query` what is not None."""
        asked = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        return self._ask("GET", path, f"?{asked}" if asked else "")

    def post(self, *path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The same, of a request that changes something; of `body` what is not None."""
        given = {name: value for name, value in (body or {}).items() if value is not None}
        return self._ask("POST", path, "", msgspec.json.encode(given) if given else None)

    def _ask(self, method: str, path: tuple[str, ...], query: str, body: bytes | None = None) -> dict[str, Any]:
        """Raises: ChorusError: nobody answers, or with an error; one line."""
        where = "/".join((self._path, *(quote(part, safe="") for part in path))) + query
        connection = self._connect(self._host, self._port, timeout=PATIENCE_SECONDS)
        headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
        try:
            connection.request(method, where, body, headers)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER_BYTES)
        except ConnectionRefusedError as error:
            raise ChorusError(f"nothing listens at {self.url}; start a server: chorus serve") from error
        except (OSError, HTTPException) as error:
            words = str(error) or type(error).__name__
            raise ChorusError(f"no answer from {self.url}: {words.splitlines()[0].lower()}") from error
        finally:
            connection.close()
        return self._read(response.status, answer, f"/{'/'.join(path)}")

    def _read(self, status: int, body: bytes, where: str) -> dict[str, Any]:
        try:
            answer = msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ChorusError(f"{self.url} is no Chorus: {where} is not JSON") from error
        if status == 200:
            return answer
        said = str(answer.get("error", f"HTTP status {status}"))
        if status == 404 and said.startswith("no route"):
            said = "it has no debug routes; they are there on a loopback address, or with [debug] enabled = true"
        raise ChorusError(f"{self.url}: {said}")


def default_url() -> str:
    """The address of `chorus.toml` in the current folder, if it is there; else the one that all servers begin with."""
    path = Path(HERE)
    if not path.exists():
        return "http://127.0.0.1:8080"
    server = load_config(path).server
    return origin_of(server.host, server.port)


def tell_missing(answer: Mapping[str, Any]) -> None:
    """Say which processes of the server have not answered, so that what they know is not in `answer`."""
    if missing := answer.get("missing"):
        click.echo(f"warning: without {', '.join(missing)}, which did not answer in time", err=True)


def echo_json(answer: Mapping[str, Any]) -> None:
    """Print `answer`, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())

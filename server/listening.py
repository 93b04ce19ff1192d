"""Whether an address can be listened on, and who listens there already."""

import errno
import os
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

import msgspec

from server.findings import Findings
from server.settings import Config
from server.tables import Mistake

ASK_SECONDS = 1.0
MAX_INDEX_BYTES = 1 << 24
FEW = 12


class Index(msgspec.Struct):
    """What is needed of `GET /`."""

    name: str
    models: dict[str, Any]
    default: str = ""


def cannot_listen(host: str, port: int) -> OSError | None:
    """Why nobody could listen on `host` and `port` now; None if one could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def chorus_at(host: str, port: int) -> Index | None:
    """What the Chorus that listens there says of itself; None if none does."""
    connection = HTTPConnection(_near(host), port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/")
        index = msgspec.json.decode(connection.getresponse().read(MAX_INDEX_BYTES), type=Index)
    except (OSError, HTTPException, msgspec.DecodeError, UnicodeDecodeError):
        return None
    finally:
        connection.close()
    return index if index.name == "chorus" else None


def reason_of(error: Exception) -> str:
    """Why an address cannot be reached, in the system's words where it has some."""
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number and number > 0 else type(error).__name__


def origin_of(host: str, port: int) -> str:
    """The URL of a server that listens there."""
    near = _near(host)
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _near(host: str) -> str:
    """The address to ask from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nobody listens here


def words_for(there: Index | None) -> str:
    """By whom an address is taken."""
    if there is None:
        return "by another program"
    return f"by a Chorus that serves {', '.join(list(there.models)[:FEW])}"


def findings_of(config: Config) -> Findings:
    """Whether `[server]` can be listened on; that this very configuration is being served there is no error."""
    host, port = config.server.host, config.server.port
    error = cannot_listen(host, port)
    if error is None:
        return Findings()
    if error.errno != errno.EADDRINUSE:
        words = (error.strerror or str(error)).lower()
        return Findings([Mistake("server", "host", f"cannot listen on {host}:{port}: {words}")])
    there = chorus_at(host, port)
    if there is not None and there.models.keys() == set(config.names):
        return Findings([], [Mistake("server", "port", f"a Chorus with these names runs on {host}:{port} already")])
    text = f"{host}:{port} is in use {words_for(there)}; stop it, or take another port"
    return Findings([Mistake("server", "port", text)])

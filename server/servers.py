"""The servers of this user on this machine, and what they can be told; see `server.control`."""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from models.errors import ChorusError
from server.control import MOST_BYTES, SOCKET, About
from server.folder import PREFIX, base_folder
from server.settings import ServerSettings

ASK_SECONDS = 2.0


class NotDone(ChorusError):
    """What a server said instead."""


@dataclass(frozen=True, slots=True)
class Found:
    """A server, and the socket that it can be told things at."""

    about: About
    path: Path

    @property
    def origin(self) -> str:
        """Where it listens."""
        host = f"[{self.about.host}]" if ":" in self.about.host else self.about.host
        return f"http://{host}:{self.about.port}"

    def ask(self, **what: object) -> Iterator[dict[str, Any]]:
        """What it says, line by line, to the last.

        Raises:
            NotDone: it says why not, or has ended.
        """
        yield from lines_from(self.path, **what)


def lines_from(path: Path, **asked: object) -> Iterator[dict[str, Any]]:
    """What the server says whose socket is at `path`, line by line, to the last.

    Raises:
        NotDone: it says why not, or has ended.
    """
    with _connected(path) as connection:
        connection.sendall(msgspec.json.encode(asked) + b"\n")
        yield from _lines(connection)


def servers() -> list[Found]:
    """All that answer."""
    found = []
    for path in sorted(base_folder().glob(f"{PREFIX}*/{SOCKET}")):
        try:
            if path.stat().st_uid == os.getuid():
                found.append(_found(path))
        except (OSError, ChorusError, msgspec.ValidationError):  # it has just ended, or was killed
            continue
    return found


def _found(path: Path) -> Found:
    with _connected(path, ASK_SECONDS) as connection:
        connection.sendall(b'{"do":"about"}\n')
        (said,) = _lines(connection)
    return Found(msgspec.convert(said["done"], About), path)


@dataclass(slots=True)
class Predecessor:
    """A server whose listening socket we have; it serves on until it is told to leave."""

    listening: socket.socket
    _connection: socket.socket

    def dismiss(self) -> None:
        """Have it answer whom it has, and end."""
        with self._connection, contextlib.suppress(OSError, NotDone):  # it has ended already
            self._connection.sendall(b'{"do":"leave"}\n')
            list(_lines(self._connection))


def predecessor_of(server: ServerSettings, config: Path) -> Predecessor | None:
    """Who listens where `server` would; with port 0, who was started with the same configuration. None if nobody does.

    Raises:
        NotDone: it does not hand over its socket.
    """
    for found in servers():
        about = found.about
        same = about.config == str(config.resolve()) if server.port == 0 else about.port == server.port
        if same and about.host == server.host:
            return taken_over(found)
    return None


def taken_over(found: Found) -> Predecessor:
    """The socket on which `found` listens. If we end before we dismiss it, nothing has happened to it."""
    connection = _connected(found.path)
    connection.sendall(b'{"do":"hand-over"}\n')
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    if not descriptors:
        raise NotDone(f"the server at {found.origin} does not hand over its socket")
    return Predecessor(socket.socket(fileno=descriptors[0]), connection)


def _connected(path: Path, seconds: float | None = None) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _lines(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """All lines to the one that is the last."""
    rest = b""
    while chunk := connection.recv(MOST_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            message = msgspec.json.decode(line, type=dict[str, Any])
            if "error" in message:
                raise NotDone(str(message["error"]))
            yield message
            if "done" in message:
                return
    raise NotDone("the server ended meanwhile")

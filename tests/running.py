"""A real `chorus serve` in processes of its own, for tests and checks."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import msgspec

MEMBERS = ("logreg", "forest", "hist-gb", "mlp", "xgboost")
PATIENCE = 60.0  # seconds until a test gives up; never a figure


def write_config(folder: Path, registry: Path, *, settings: str = "", inline: bool = False) -> Path:
    """A chorus.toml with the five members and one ensemble for each rule that leaves at different times."""
    backends = "".join(
        f'[backends.{name}]\nmodel = "breast-cancer/{name}"\ninline = {str(inline).lower()}\n' for name in MEMBERS
    )
    ensembles = "".join(
        f'[ensembles.{rule}]\nmembers = {list(MEMBERS)}\nrule = "{rule}"\nquorum = 3\n{settings}\n'
        for rule in ("log_pool", "soft", "hard")
    )
    path = folder / "chorus.toml"
    path.write_text(f'[registry]\npath = "{registry}"\n{backends}{ensembles}')
    return path


@contextmanager
def short(folder: Path) -> Iterator[Path]:
    """A short name of `folder`, for the paths of sockets there: the system takes no more than 107 bytes."""
    with TemporaryDirectory(prefix="s", dir="/tmp") as place:
        name = Path(place) / "s"
        name.symlink_to(folder.resolve())
        yield name


class Running:
    """`chorus serve` on a free port, and a client of it. Without a `config` the `options` name one model.

    `runtime` is the folder of its log and of its private folder, which `self.runtime` is a short name of.
    A stopped process is left alone unless `hung_ms` says so; `within` is a command that runs it within bounds.
    """

    def __init__(
        self, config: Path | None, runtime: Path, *options: str, hung_ms: int = 0, within: Sequence[str] = ()
    ) -> None:
        self._folder = runtime
        self._closing = ExitStack()
        self.runtime = self._closing.enter_context(short(runtime))
        configured = [] if config is None else ["--config", str(config)]
        with (runtime / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-m", "server", "serve", *configured, "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | {"XDG_RUNTIME_DIR": str(self.runtime), "CHORUS_HUNG_MS": str(hung_ms)},
            )
        self.printed = self._printed()
        found = re.search(r"ready in .* at (http://[^\s;]+)", self.printed)
        if found is None:
            self.__exit__(None, None, None)
            raise RuntimeError(f"not ready: {self.printed} {self.log}")
        self.origin = found[1]

    def _printed(self) -> str:
        """What it prints until it is ready."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("curl") or ("ready in " in line and "; try:" not in line):
                break
        watchdog.cancel()
        return "".join(lines)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def ask(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """One request on a connection of its own: status, and the JSON of the answer."""
        status, _, answer = self.answer(path, body, headers)
        return status, answer

    def answer(
        self, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        """The same with the headers of the answer."""
        connection = HTTPConnection(urlsplit(self.origin).netloc, timeout=PATIENCE)
        try:
            raw = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
            connection.request("GET" if body is None else "POST", path, raw, dict(headers or {}))
            response = connection.getresponse()
            answer = response.read()
            is_json = "json" in response.headers.get("Content-Type", "")
            return response.status, dict(response.headers), msgspec.json.decode(answer) if is_json else answer
        finally:
            connection.close()

    def pids(self) -> dict[str, int]:
        """The process of each worker that is there."""
        _, answer = self.ask("/debug/backends")
        return {one["name"]: one["pid"] for one in answer["backends"] if one.get("pid")}

    def children(self) -> list[int]:
        """All processes of this server but the supervisor."""
        return [pid for pid, parent in _parents().items() if parent == self.process.pid]

    def signal(self, sign: signal.Signals, *names: str) -> None:
        pids = self.pids()
        for name in names:
            os.kill(pids[name], sign)

    def stop(self) -> int:
        """End it as an operator would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pid in self.children():  # a stopped process could not end
            os.kill(pid, signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)  # who ends it so does not wait for callers who have not heard of it
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._closing.close()


class Caller:
    """One connection that is kept, to whichever front takes it."""

    def __init__(self, server: Running) -> None:
        self._connection = HTTPConnection(urlsplit(server.origin).netloc, timeout=30)
        self._connection.connect()

    def ask(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        raw = None if body is None else msgspec.json.encode(body)
        self._connection.request("GET" if body is None else "POST", path, raw, headers or {})
        response = self._connection.getresponse()
        answer = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, msgspec.json.decode(answer) if is_json else answer

    def close(self) -> None:
        self._connection.close()


def _parents() -> dict[int, int]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if fields[0] != "Z":
            found[int(stat.parent.name)] = int(fields[1])
    return found


def alive(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    return pid in _parents()


def refuses(server: Running) -> bool:
    """Whether nobody listens there any more."""
    split = urlsplit(server.origin)
    try:
        socket.create_connection((split.hostname, split.port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def until(check: Any, what: str) -> None:
    """Wait for `check()` to hold; fail with `what` if it never does."""
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came: {what}")
        select.select([], [], [], 0.02)

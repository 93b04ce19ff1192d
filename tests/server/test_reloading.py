"""What changes while it runs: real servers under load, real promotions, and no request that fails."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from models.registry import Registry
from tests.running import MEMBERS, Running, alive, short, until, write_config

pytestmark = pytest.mark.processes

FOREST = "breast-cancer/forest"


@pytest.fixture
def registry(trained: Registry, tmp_path: Path) -> Registry:
    """One in which each model has a second version, its candidate."""
    shutil.copytree(trained.path, tmp_path / "registry")
    registry = Registry(tmp_path / "registry")
    for member in MEMBERS:
        version = registry.resolve(f"breast-cancer/{member}")
        files = {name: (version.folder / name).read_bytes() for name in version.manifest.files}
        registry.add(version.manifest, files)
    return registry


@pytest.fixture
def config(registry: Registry, tmp_path: Path) -> Path:
    return write_config(tmp_path, registry.path)


def chorus(runtime: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line, as the user of the servers in `runtime`."""
    with short(runtime) as name:
        return subprocess.run(
            [sys.executable, "-m", "server", *map(str, arguments)],
            env=os.environ | {"XDG_RUNTIME_DIR": str(name)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


class Callers:
    """Some who ask a server, each over one connection that is kept as long as the server keeps it."""

    def __init__(self, server: Running, count: int) -> None:
        self.netloc = urlsplit(server.origin).netloc
        row = server.ask("/debug/backends/log_pool/examples")[1]["instances"][0]
        self.body = msgspec.json.encode({"instances": [row]})
        self.failed: list[str] = []
        self.versions: Counter[tuple[str, ...]] = Counter()
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def stop(self) -> None:
        """Ask no more."""
        self.done.set()
        for thread in self.threads:
            thread.join()

    def _ask(self) -> None:
        connection = HTTPConnection(self.netloc, timeout=60)
        while not self.done.is_set():
            try:
                connection.request("POST", "/predict", self.body)
                response = connection.getresponse()
                self._answered(response.status, response.read())
            except OSError as error:
                self.failed.append(repr(error))
                connection.close()
        connection.close()

    def _answered(self, status: int, body: bytes) -> None:
        if status != 200:
            self.failed.append(body.decode())
            return
        answer = msgspec.json.decode(body)
        self.versions[tuple(member["version"] for member in answer["members"].values())] += 1


@contextmanager
def asked(server: Running, count: int = 4) -> Iterator[Callers]:
    """Ask it all the while."""
    callers = Callers(server, count)
    for thread in callers.threads:
        thread.start()
    until(lambda: callers.versions, "a first answer")
    try:
        yield callers
    finally:
        callers.stop()


def version(server: Running, name: str = "forest") -> str:
    answer: dict[str, Any] = server.ask(f"/debug/backends/{name}")[1]
    return str(answer["version"])


@pytest.mark.parametrize("fronts", [1, 2])
@pytest.mark.parametrize("inline", [False, True])
def test_a_promotion_reaches_the_server_and_no_request_fails(
    registry: Registry, tmp_path: Path, fronts: int, inline: bool
) -> None:
    config = write_config(tmp_path, registry.path, inline=inline)
    with Running(config, tmp_path, "--workers", str(fronts)) as server, asked(server) as callers:
        promoted = chorus(tmp_path, "models", "promote", FOREST, "--config", config)
        assert promoted.returncode == 0, promoted.stderr
        assert f"the server at {server.origin}: forest 1 -> 2" in promoted.stdout
        assert version(server) == "2"
        back = chorus(tmp_path, "models", "rollback", FOREST, "--config", config)
        assert "forest 2 -> 1" in back.stdout
        assert "starting" not in back.stdout  # the workers of the version before are kept for a while
        assert version(server) == "1"
    assert not callers.failed
    assert set(callers.versions) == {("1",) * 5, ("1", "2", "1", "1", "1")}
    assert "Traceback" not in server.log


def test_all_versions_change_at_once_and_the_old_workers_end(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as server, asked(server) as callers:
        before = server.pids()
        for member in MEMBERS:
            assert chorus(
                tmp_path, "models", "promote", f"breast-cancer/{member}", "--later", "--config", config
            ).stdout
        assert version(server) == "1"
        told = chorus(tmp_path, "reload", "--config", config)
        assert "logreg 1 -> 2" in told.stdout
        assert not set(before.values()) & set(server.pids().values())
        for member in MEMBERS:  # who is needed by neither this plan nor the one before has gone
            chorus(tmp_path, "models", "promote", f"breast-cancer/{member}@1", "--later", "--force", "-c", config)
        text = config.read_text()
        config.write_text(text.replace("[ensembles.soft]", "[ensembles.softer]"))
        assert "softer is new" in chorus(tmp_path, "reload", "--config", config).stdout
        assert set(server.pids().values()) == set(before.values())
    assert not callers.failed
    assert set(callers.versions) == {("1",) * 5, ("2",) * 5}  # every answer is of one set


def test_a_mistake_changes_nothing_and_is_one_line(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as server:
        pids = server.pids()
        text = config.read_text()
        for wrong, said in (
            (text.replace('rule = "soft"', 'rule = "sofd"'), "no rule 'sofd'"),
            (text + "[server]\nfronts = 2\n", "[server] fronts cannot be changed while it runs"),
            (text + "[server]\nmax_timeout_ms = 9\n", "chorus reload --restart"),
        ):
            config.write_text(wrong)
            told = chorus(tmp_path, "reload", "--config", config)
            assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
            assert said in told.stderr
        config.write_text(text)
        assert chorus(tmp_path, "reload", "--config", config).stdout == "nothing has changed\n"
        assert server.pids() == pids


def test_workers_that_do_not_come_up_leave_the_old_ones_at_work(
    config: Path, registry: Registry, tmp_path: Path
) -> None:
    artefact = registry.path / FOREST / "2" / "model.onnx"
    artefact.chmod(0o644)
    artefact.write_bytes(artefact.read_bytes()[:-1] + b"x")
    with Running(config, tmp_path) as server, asked(server) as callers:
        pids = server.pids()
        told = chorus(tmp_path, "models", "promote", FOREST, "--force", "--config", config)
        assert told.returncode == 1
        assert "serves as before: worker forest did not come up" in told.stderr
        assert "is not what was registered" in told.stderr
        assert (server.pids(), version(server)) == (pids, "1")
        until(lambda: len(server.children()) == len(MEMBERS) + 1, "the end of the worker that failed")
        assert chorus(tmp_path, "models", "rollback", FOREST, "-c", config).returncode == 0
    assert not callers.failed
    assert set(callers.versions) == {("1",) * 5}


def test_a_signal_reloads_and_what_was_switched_and_counted_stays(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as server:
        server.ask("/debug/backends/mlp/disable", {})
        row = server.ask("/debug/backends/log_pool/examples")[1]["instances"][0]
        for _ in range(3):
            server.ask("/predict", {"instances": [row]})
        chorus(tmp_path, "models", "promote", FOREST, "--later", "--config", config)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: version(server) == "2", "the reload")
        _, answer = server.ask("/predict", {"instances": [row]})
        assert answer["outcome"]["asked"] == 4
        assert server.ask("/debug/backends/forest")[1]["fates"] == {"ok": 4}
        assert server.ask("/debug/backends/log_pool")[1]["asked"] == 4
        assert len(server.ask("/debug/requests")[1]["requests"]) == 4
        until(lambda: '"reloaded: forest 1 -> 2' in server.log, "its line in the log")


def test_a_canary_comes_and_goes_while_it_runs(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as server, asked(server) as callers:
        told = chorus(tmp_path, "models", "promote", FOREST, "--canary", "50%", "--config", config)
        assert "forest@canary is new" in told.stdout
        assert server.ask("/debug/backends/forest")[1]["kind"] == "split"
        assert "forest@canary is gone" in chorus(tmp_path, "models", "rollback", FOREST, "--config", config).stdout
        assert version(server) == "1"
    assert not callers.failed


def test_a_killed_front_begins_with_what_is_served_now(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as server:
        chorus(tmp_path, "models", "promote", FOREST, "--config", config)
        front = server.ask("/debug/fronts")[1]["fronts"][0]["pid"]
        os.kill(front, signal.SIGKILL)
        until(lambda: _version_or_none(server) == "2", "the new front with the new version")


def test_fresh_processes_take_over_one_after_the_other(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path, "--workers", "2") as server, asked(server) as callers:
        before = server.children()
        config.write_text(config.read_text() + "[server]\nmax_body_bytes = 100000\n")
        told = chorus(tmp_path, "reload", "--restart", "--config", config)
        assert told.returncode == 0, told.stderr
        until(lambda: not any(map(alive, before)), "the end of all old processes")
        assert len(server.children()) == len(MEMBERS) + 2
    assert not callers.failed
    assert server.process.returncode == 0


def test_a_second_server_takes_the_port_over(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as first, Running(config, tmp_path, "--replace") as second:
        assert second.origin == first.origin
        assert first.process.wait(30) == 0
        with asked(second) as callers, Running(config, tmp_path, "--replace"):
            assert second.process.wait(30) == 0
            before = sum(callers.versions.values())
            until(lambda: sum(callers.versions.values()) > before + 20, "answers of the third server")
            callers.stop()
    assert not callers.failed


def test_where_no_server_runs_that_is_said(config: Path, tmp_path: Path) -> None:
    told = chorus(tmp_path, "reload", "--config", config)
    assert (told.returncode, told.stderr) == (
        1,
        f"error: no server runs with {config.resolve()}; to start one: chorus serve\n",
    )
    promoted = chorus(tmp_path, "models", "promote", FOREST, "--config", config)
    assert promoted.returncode == 0
    assert "no server of yours runs with this registry here" in promoted.stdout


def test_a_server_that_was_killed_is_in_nobodys_way(config: Path, tmp_path: Path) -> None:
    with Running(config, tmp_path) as first:
        children = first.children()
        first.process.kill()
        first.process.wait()
        until(lambda: not any(map(alive, children)), "the end of all children")
        assert "no server runs" in chorus(tmp_path, "reload", "--config", config).stderr
        with Running(config, tmp_path) as second:
            assert chorus(tmp_path, "reload", "--config", config).stdout == "nothing has changed\n"
            assert second.stop() == 0


def _version_or_none(server: Running) -> str | None:
    try:
        return version(server)
    except (OSError, KeyError):
        return None

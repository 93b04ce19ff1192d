"""The whole harness with the shortest of measurements: everything is started, driven, told and stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import proc
from benchmarks.process import READY_SECONDS, Server, ServerFailed, wait_until_idle
from benchmarks.scenarios import SCENARIOS
from models.registry import Registry
from tests.running import PATIENCE, alive, until

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
SHORTEST = ("--quick", "--seconds", "1", "--rounds", "1", "--warm-up", "0", "--requests", "1")


def started(registry: Registry, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks", "--registry", str(registry.path), *SHORTEST, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("scenario", [scenario.name for scenario in SCENARIOS])
def test_a_scenario_measures_everything_that_it_claims(trained: Registry, scenario: str) -> None:
    process = started(trained, scenario)
    try:
        printed, said = process.communicate(timeout=2 * PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert f"### {scenario}" in printed
    assert "Failed" not in printed
    assert "target" in printed
    assert " left)" in said


def descendants(pid: int) -> list[int]:
    return proc.tree(pid, proc.processes())[1:]


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_whatever_ends_it_no_server_is_left(trained: Registry, sign: signal.Signals, code: int) -> None:
    process = started(trained, "one-row")
    try:
        until(lambda: len(descendants(process.pid)) > 10, "its servers")
        servers = descendants(process.pid)
        process.send_signal(sign)
        assert process.wait(PATIENCE) == code
        until(lambda: not any(map(alive, servers)), "their end")
    finally:
        process.kill()
        process.communicate()


INTERRUPTED_AT_ONCE = """
import sys, threading
from pathlib import Path
from benchmarks import process

class Interrupted(threading.Timer):
    def start(self):
        super().start()
        sys.exit(143)  # as the handler of a signal does, before `origin` can cancel it

process.threading.Timer = Interrupted
with process.Server("silent", ["-c", "import time; time.sleep(99)"], Path(sys.argv[1])) as server:
    server.origin
"""


def test_a_signal_while_a_server_starts_ends_it_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_AT_ONCE, str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, timeout=READY_SECONDS / 2, check=False).returncode == 143


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerFailed, match=r"bad did not start: (?s:.*)ZeroDivisionError"),
        bad(tmp_path, "1 / 0") as server,
    ):
        _ = server.origin


def test_a_server_that_has_ended_is_not_measured(tmp_path: Path) -> None:
    with bad(tmp_path, "print('ready at http://127.0.0.1:1')") as server:
        _ = server.origin
        server.process.wait(PATIENCE)
        with pytest.raises(ServerFailed, match="bad has ended"):
            server.cpu_seconds()


def test_nobody_is_measured_while_another_is_still_at_work(tmp_path: Path) -> None:
    ready = "import time\nprint('ready at http://127.0.0.1:1', flush=True)\n"
    with bad(tmp_path, ready + "while time.process_time() < 0.7: pass\ntime.sleep(99)") as server:
        _ = server.origin
        wait_until_idle([server])
        assert server.cpu_seconds() >= 0.6


def bad(folder: Path, code: str) -> Server:
    return Server("bad", ["-c", code], folder)


def test_what_is_to_be_measured_must_be_in_the_registry(tmp_path: Path) -> None:
    process = started(Registry(tmp_path / "empty"), "start")
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "lacks" in said
    assert "chorus train" in said


def test_processes_are_counted_with_their_children() -> None:
    assert os.getpid() in proc.tree(os.getppid(), proc.processes())

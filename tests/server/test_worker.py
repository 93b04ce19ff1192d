"""A worker: what it is made of, and what it does not do."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.registry import Registry
from server.heartbeat import LINE
from tests.running import PATIENCE, Running, until, write_config

pytestmark = pytest.mark.processes

COUNTING = """
import sys
from pathlib import Path

def predict(columns):
    with (Path(__file__).parent / "asked").open("a") as asked:
        asked.write("%s\\n" % " ".join(sys.modules))
    if columns["a"][0] == 13:
        raise ZeroDivisionError
    return ["yes"] * len(columns["a"])
"""
CONFIG = """
[backends.counting]
python = "counting:predict"
features = ["a"]
labels = ["yes", "no"]
"""
KEPT_OUT = {"aiohttp", "yarl", "multidict", "click", "rich", "sklearn", "scipy", "xgboost", "prometheus_client"}


@pytest.fixture(params=["uvloop", "asyncio"])
def counting(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """One function, in a worker, that writes down when it is asked."""
    (tmp_path / "counting.py").write_text(COUNTING)
    config = tmp_path / "chorus.toml"
    config.write_text(CONFIG)
    with Running(config, tmp_path, "--loop", request.param) as running:
        yield running


def ask(server: Running, *rows: float, **parameters: Any) -> tuple[int, Any]:
    return server.ask("/predict", {"instances": [[row] for row in rows], "parameters": parameters})


def asked(server: Running) -> list[str]:
    return (server.runtime / "asked").read_text().splitlines()


def test_a_worker_that_wakes_up_does_not_run_stale_calls(counting: Running) -> None:
    assert ask(counting, 1)[0] == 200
    counting.signal(signal.SIGSTOP, "counting")
    stale = [ask(counting, 1, timeout_ms=50) for _ in range(4)]  # one more opens the breaker
    assert {(status, problem["code"]) for status, problem in stale} == {(504, "deadline_exceeded")}
    counting.signal(signal.SIGCONT, "counting")
    assert ask(counting, 1)[0] == 200
    assert len(asked(counting)) == 2


def test_a_model_that_raises_is_told_from_a_lost_worker(counting: Running) -> None:
    status, problem = ask(counting, 13)
    assert (status, problem["code"]) == (502, "backend_failed")
    until(lambda: "ZeroDivisionError" in counting.log, "the line of the log")
    assert ask(counting, 1)[0] == 200
    before = counting.pids()
    counting.signal(signal.SIGKILL, "counting")
    assert ask(counting, 1)[1]["code"] in ("backend_unreachable", "backend_away")
    until(lambda: ask(counting, 1)[0] == 200, "the new worker")
    assert counting.pids() != before


def test_a_worker_of_a_function_holds_nothing_that_it_does_not_need(counting: Running) -> None:
    ask(counting, 1)
    modules = {module.partition(".")[0] for module in asked(counting)[0].split()}
    assert {"uvloop", "numpy", "msgspec"} <= modules
    assert not KEPT_OUT & modules


def test_a_worker_of_a_compiled_model_holds_nothing_that_it_does_not_need(trained: Registry, tmp_path: Path) -> None:
    with Running(write_config(tmp_path, trained.path), tmp_path) as server:
        pids = server.pids()
        maps = {name: Path(f"/proc/{pid}/maps").read_text() for name, pid in pids.items()}
        proportional = [_proportional_mib(pid) for pid in pids.values()]
    for name, held in maps.items():
        assert "onnxruntime" in held, name
        assert not [one for one in KEPT_OUT if f"/site-packages/{one}" in held], name
    assert max(proportional) < 90


def _proportional_mib(pid: int) -> float:
    """The memory of a process, with its share of what it shares."""
    (line,) = [line for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024


def test_a_worker_ends_with_its_lifeline_and_when_asked(tmp_path: Path, counting: Running) -> None:
    """As a process of its own, without a supervisor: it says that it is ready, and why it cannot start."""
    (plan,) = tmp_path.glob("chorus-*/plan-1.json")
    for end in ("lifeline", "signal"):
        with _spawned(plan) as worker:
            assert said(worker) == {"ready": True}
            assert worker.stdin is not None
            worker.stdin.close() if end == "lifeline" else worker.terminate()
            assert worker.wait(PATIENCE) == 0
    (tmp_path / "counting.py").write_text("predict = None")
    with _spawned(plan) as failing:
        assert "[backends.counting]" in said(failing)["fatal"]
        assert failing.wait(PATIENCE) == 3


def said(worker: "subprocess.Popen[bytes]") -> dict[str, Any]:
    """Its first line that is more than a sign of life."""
    assert worker.stdout is not None
    line = next(line for line in worker.stdout if line != LINE)
    return msgspec.json.decode(line, type=dict[str, Any])


def _spawned(plan: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "server.worker", str(plan), "counting", "0"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

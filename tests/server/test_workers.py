"""One model in two processes: they are replicas, and one vote. Real processes, real signals."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from tests.running import Running, until

pytestmark = pytest.mark.processes


@pytest.fixture(params=["uvloop", "asyncio"])
def server(trained: Registry, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    config = tmp_path / "chorus.toml"
    config.write_text(
        f'[registry]\npath = "{trained.path}"\n'
        '[backends.forest]\nmodel = "breast-cancer/forest"\nprocesses = 2\nbatch = false\n'
        '[backends.mlp]\nmodel = "breast-cancer/mlp"\n'
        '[ensembles.both]\nmembers = ["forest", "mlp"]\nquorum = 1\n'
    )
    with Running(config, tmp_path, "--loop", request.param) as running:
        yield running


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/forest").examples[0]


def replicas(server: Running) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = server.ask("/debug/backends/forest")[1]["replicas"]
    return found


def pids(server: Running) -> dict[str, int]:
    return {name: one["pid"] for name, one in replicas(server).items() if "pid" in one}


def statuses(server: Running, row: list[float], count: int, **parameters: Any) -> list[int]:
    asked = {"instances": [row], "parameters": parameters}
    return [server.ask("/v1/models/forest:predict", asked)[0] for _ in range(count)]


def signalled(server: Running, sign: signal.Signals, name: str) -> None:
    os.kill(pids(server)[name], sign)


def test_both_are_asked_and_are_one_vote(server: Running, row: list[float]) -> None:
    assert statuses(server, row, 30) == [200] * 30
    shown = server.ask("/debug/backends/forest")[1]
    assert (shown["state"], shown["breaker"], shown["tries"]) == ("ready", "closed", 30)
    assert list(shown["replicas"]) == ["forest 1", "forest 2"]
    assert len(set(pids(server).values())) == 2
    assert all(str(pid) in server.printed for pid in pids(server).values())
    answer = server.ask("/v1/models/both:predict", {"instances": [row]})[1]
    assert (answer["outcome"]["asked"], answer["outcome"]["status"]) == (2, "complete")


def test_when_one_is_killed_the_other_answers_and_it_comes_back(server: Running, row: list[float]) -> None:
    before = pids(server)
    signalled(server, signal.SIGKILL, "forest 1")
    assert statuses(server, row, 30) == [200] * 30
    until(lambda: len(pids(server)) == 2 and replicas(server)["forest 1"]["state"] == "ready", "both there again")
    assert pids(server)["forest 2"] == before["forest 2"]
    assert statuses(server, row, 30) == [200] * 30
    until(
        lambda: replicas(server)["forest 1"]["breaker"] == "closed" or statuses(server, row, 1) != [200], "its breaker"
    )


def test_when_one_hangs_only_a_few_calls_find_out(server: Running, row: list[float]) -> None:
    """It is asked again after a second, until its breaker opens; or it is found to hang, and replaced."""
    assert statuses(server, row, 30) == [200] * 30  # so that is known how long it takes
    signalled(server, signal.SIGSTOP, "forest 2")
    answered = statuses(server, row, 200, timeout_ms=200)
    assert set(answered) <= {200, 504}
    assert answered.count(504) <= 10


def test_the_metrics_tell_them_apart(server: Running, row: list[float]) -> None:
    statuses(server, row, 3)
    text = server.ask("/metrics")[1].decode()
    for name in ("forest 1", "forest 2"):
        assert f'chorus_breaker_state{{backend="forest",replica="{name}",state="closed"}} 1.0' in text
    assert 'chorus_tries_total{backend="forest"} 3.0' in text

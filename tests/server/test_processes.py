"""What must hold when processes stop, die and come back: real processes, real signals."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from models.registry import Registry
from server.plan import DRAIN_SECONDS
from tests.running import MEMBERS, PATIENCE, Running, alive, refuses, until, write_config

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


@pytest.fixture(params=["uvloop", "asyncio"])
def server(trained: Registry, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with Running(write_config(tmp_path, trained.path), tmp_path, "--loop", request.param) as running:
        yield running


def body(row: list[float], **parameters: Any) -> dict[str, Any]:
    return {"instances": [row], "parameters": parameters}


def statuses(server: Running, row: list[float], count: int, **parameters: Any) -> list[str]:
    answers = [server.ask("/predict", body(row, **parameters)) for _ in range(count)]
    return [answer["outcome"]["status"] if status == 200 else str(status) for status, answer in answers]


def whole(server: Running, row: list[float]) -> bool:
    return statuses(server, row, 1) == ["complete"]


def test_with_one_worker_stopped_every_answer_is_partial_and_it_comes_back(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "forest")
    for _ in range(10):
        status, answer = server.ask("/predict", body(row, timeout_ms=100))
        assert (status, answer["outcome"]["status"]) == (200, "partial")
        assert answer["outcome"]["degraded"]
        assert (answer["members"]["forest"]["fate"], answer["members"]["forest"]["reason"]) == ("late", "timeout")
    [front] = server.ask("/debug/load")[1]["fronts"]
    assert front["models"]["log_pool"]["usual_ms"] < 100  # what was waited for in vain is no sign of too much work
    server.signal(signal.SIGCONT, "forest")
    until(lambda: whole(server, row), "the stopped worker in the vote")


def test_an_early_vote_does_not_wait_for_a_stopped_worker(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "mlp")
    status, answer = server.ask("/v1/models/hard:predict", body(row, timeout_ms=30_000))
    assert (status, answer["outcome"]["status"], answer["outcome"]["degraded"]) == (200, "decided", False)
    assert answer["members"]["mlp"]["fate"] == "unneeded"


def test_two_killed_are_missed_and_come_back_without_a_restart(server: Running, row: list[float]) -> None:
    killed = server.pids()
    server.signal(signal.SIGKILL, "forest", "mlp")
    assert set(statuses(server, row, 5)) <= {"partial", "complete"}
    until(lambda: whole(server, row), "both in the vote again")
    assert server.pids()["logreg"] == killed["logreg"]
    assert server.pids()["forest"] != killed["forest"]
    assert server.process.poll() is None


def test_four_of_five_killed_is_503_at_once_and_they_come_back(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGKILL, *MEMBERS[1:])
    status, problem = server.ask("/predict", body(row, timeout_ms=30_000))
    assert (status, problem["code"]) == (503, "no_quorum")
    assert "late" not in {said["fate"] for said in problem["members"].values()}
    assert problem["error"].startswith(("1 of 5", "0 of 5"))
    until(lambda: whole(server, row), "all in the vote again")


def test_a_client_that_hangs_up_leaves_nothing_behind(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "forest")
    split = urlsplit(server.origin)
    raw = msgspec.json.encode(body(row, timeout_ms=50_000))
    for _ in range(5):
        with socket.create_connection((split.hostname, split.port)) as client:
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n\r\n"
            client.sendall(head.encode() + raw)
            until(lambda: _in_flight(server, "log_pool") == 1, "the request under way")
        until(lambda: _in_flight(server, "log_pool") == 0, "the request gone")
    until(lambda: _in_flight(server, "forest") == 0, "the call to the member gone")
    server.signal(signal.SIGCONT, "forest")
    assert whole(server, row)
    assert server.ask("/debug/backends/forest")[1]["fates"]["cancelled"] == 5


def test_a_healthy_vote_keeps_its_connections(trained: Registry, tmp_path: Path, row: list[float]) -> None:
    config = write_config(tmp_path, trained.path, settings="linger_ms = 5000")  # patience for a busy machine
    with Running(config, tmp_path) as server:
        outcomes = [server.ask("/v1/models/hard:predict", body(row))[1]["outcome"]["status"] for _ in range(100)]
        assert "decided" in outcomes
        until(lambda: all(_in_flight(server, name) == 0 for name in MEMBERS), "the end of all calls")
        for name in MEMBERS:
            assert server.ask(f"/debug/backends/{name}")[1]["fates"] == {"ok": 100}


def test_a_killed_front_is_replaced(server: Running, row: list[float]) -> None:
    workers = server.pids()
    (front,) = set(server.children()) - set(workers.values())
    os.kill(front, signal.SIGKILL)
    until(lambda: _answers(server, row), "an answer from the new front")
    assert server.pids() == workers


def test_a_killed_supervisor_leaves_no_process_and_no_socket(
    trained: Registry, tmp_path: Path, row: list[float]
) -> None:
    config = write_config(tmp_path, trained.path)
    with Running(config, tmp_path) as first:
        children = first.children()
        first.signal(signal.SIGSTOP, "xgboost")
        assert len(children) == len(MEMBERS) + 1
        first.process.kill()
        first.process.wait()
        until(lambda: not any(map(alive, children)), "the end of all children")
        with Running(config, tmp_path) as second:
            assert whole(second, row)
            assert len(list(tmp_path.glob("chorus-*"))) == 1
            assert second.stop() == 0
    assert not list(tmp_path.glob("chorus-*"))


def test_it_stops_cleanly_when_asked(server: Running, row: list[float]) -> None:
    children = server.children()
    assert whole(server, row)
    assert server.stop() == 0
    assert not any(map(alive, children))
    assert not list(server.runtime.glob("chorus-*"))
    assert "Traceback" not in server.log


def test_a_second_signal_ends_it_at_once_even_with_a_request_under_way(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "forest")
    connection = HTTPConnection(urlsplit(server.origin).netloc)
    connection.request("POST", "/predict", msgspec.json.encode(body(row, timeout_ms=60_000)))
    until(lambda: _in_flight(server, "log_pool") == 1, "the request under way")
    children = server.children()
    server.process.send_signal(signal.SIGTERM)
    until(lambda: server.ask("/readyz")[0] == 503, "the drain, which takes longer than is waited here")
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(DRAIN_SECONDS / 2)
    until(lambda: not any(map(alive, children)), "the end of all children")
    connection.close()


@pytest.mark.parametrize("options", [("--loop", "asyncio"), ("--workers", "2")])
def test_who_comes_while_a_request_is_finished_is_refused(
    trained: Registry, tmp_path: Path, row: list[float], options: tuple[str, ...]
) -> None:
    with Running(write_config(tmp_path, trained.path), tmp_path, *options) as server:
        forest = server.pids()["forest"]
        os.kill(forest, signal.SIGSTOP)
        connection = HTTPConnection(urlsplit(server.origin).netloc)
        connection.request("POST", "/predict", msgspec.json.encode(body(row, timeout_ms=60_000, quorum=5)))
        until(lambda: _in_flight(server, "log_pool") == 1, "the request under way")
        server.process.send_signal(signal.SIGTERM)
        until(lambda: refuses(server), "that it refuses")
        time.sleep(1)  # what is under way does not last so long if that was the end
        os.kill(forest, signal.SIGCONT)
        assert msgspec.json.decode(connection.getresponse().read())["outcome"]["status"] == "complete"
        assert server.process.wait(PATIENCE) == 0
        connection.close()


def test_the_lines_printed_at_the_start_work_when_pasted(server: Running) -> None:
    assert all(f"{name} " in server.printed for name in MEMBERS)
    printed = server.printed.splitlines()[-1]
    url, quoted = printed.removeprefix("curl -s ").split(" -d ", 1)
    status, answer = server.ask(urlsplit(url).path, quoted.strip("'").encode())
    assert (status, answer["outcome"]["answered"]) == (200, 5)


def test_a_worker_whose_model_was_changed_refuses_it_and_the_others_answer(
    trained: Registry, tmp_path: Path, row: list[float]
) -> None:
    copy = tmp_path / "registry"
    shutil.copytree(trained.path, copy)
    artefact = copy / "breast-cancer" / "mlp" / "1" / "model.onnx"
    artefact.chmod(0o644)
    artefact.write_bytes(artefact.read_bytes()[:-1] + b"x")
    with Running(write_config(tmp_path, copy), tmp_path) as server:
        assert "is not what was registered" in server.printed
        status, answer = server.ask("/predict", body(row))
        assert (status, answer["members"]["mlp"]["fate"], answer["members"]["mlp"]["reason"]) == (
            200,
            "skipped",
            "away",
        )


def _in_flight(server: Running, name: str) -> int:
    return int(server.ask(f"/debug/backends/{name}")[1]["in_flight"])


def _answers(server: Running, row: list[float]) -> bool:
    try:
        return server.ask("/predict", body(row))[0] == 200
    except OSError:
        return False

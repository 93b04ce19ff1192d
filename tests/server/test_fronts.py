"""Several fronts on one port: real processes, real signals."""

import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models.registry import Registry
from tests.running import MEMBERS, Caller, Running, alive, until, write_config

pytestmark = pytest.mark.processes

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


@pytest.fixture(params=["uvloop", "asyncio"])
def server(trained: Registry, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    config = write_config(tmp_path, trained.path)
    with Running(config, tmp_path, "--loop", request.param, "--workers", "2", hung_ms=5000) as running:
        yield running


def fronts(server: Running) -> dict[str, int]:
    """The processes of the fronts that answer, by their names."""
    _, answer = server.ask("/debug/fronts")
    return {one["name"]: one["pid"] for one in answer["fronts"]}


def counted(server: Running, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    _, text = server.ask("/metrics")
    return total(text, name, **labels)


def total(text: bytes, name: str, **labels: str) -> float:
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = [line for line in text.decode().splitlines() if re.match(rf"{name}[{{ ]", line)]
    return sum(float(line.rpartition(" ")[2]) for line in lines if all(one in line for one in wanted))


def test_connections_are_shared_evenly(server: Running) -> None:
    callers = [Caller(server) for _ in range(64)]
    for caller in callers:
        assert caller.ask("/livez")[0] == 200
    _, answer = server.ask("/debug/fronts")
    shares = [one["connections"] for one in answer["fronts"]]
    assert sum(shares) in (64, 65)  # and the one that asks
    assert min(shares) >= 16
    for caller in callers:
        caller.close()


def test_whoever_is_asked_speaks_for_all(server: Running, row: list[float]) -> None:
    callers = [Caller(server) for _ in range(8)]
    for at, caller in enumerate(callers):
        status, _ = caller.ask("/predict", {"instances": [row]}, {"X-Request-Id": f"r{at}"})
        assert status == 200
    for caller in callers:
        _, backends = caller.ask("/debug/backends")
        by_name = {one["name"]: one for one in backends["backends"]}
        assert (by_name["log_pool"]["asked"], by_name["forest"]["fates"]) == (8, {"ok": 8})
        assert by_name["forest"]["latency_ms"]["p50"] > 0
        assert backends["missing"] == []
        _, listed = caller.ask("/debug/requests?limit=5")
        assert [one["id"] for one in listed["requests"]] == ["r7", "r6", "r5", "r4", "r3"]
        assert listed["kept"] == 8
        for at in range(8):
            assert caller.ask(f"/debug/requests/r{at}")[1]["id"] == f"r{at}"
        assert caller.ask("/debug/requests/nobody")[0] == 404
        _, text = caller.ask("/metrics")
        assert total(text, "chorus_answers_total", ensemble="log_pool", status="complete") == 8
        assert total(text, "chorus_calls_total", backend="forest") == 8
        assert total(text, "chorus_front_up") == 2
        caller.close()


def test_what_is_disabled_is_so_everywhere_and_stays_so(server: Running, row: list[float]) -> None:
    callers = [Caller(server) for _ in range(4)]
    status, answer = callers[0].ask("/debug/backends/forest/disable", {}, JSON)
    assert (status, answer["state"], answer["missing"]) == (200, "disabled", [])
    for caller in callers:
        assert caller.ask("/predict", {"instances": [row]})[1]["outcome"]["asked"] == 4
    before = fronts(server)
    os.kill(before["front 2"], signal.SIGKILL)
    until(lambda: fronts(server).get("front 2", before["front 2"]) != before["front 2"], "another front 2")
    for _ in range(8):
        caller = Caller(server)
        assert caller.ask("/predict", {"instances": [row]})[1]["outcome"]["asked"] == 4
        callers.append(caller)
    assert callers[-1].ask("/debug/backends/forest/enable", {}, JSON)[1]["state"] == "ready"
    for caller in callers[-8:]:
        assert caller.ask("/predict", {"instances": [row]})[1]["outcome"]["asked"] == 5
    for caller in callers:
        caller.close()


class Load:
    """Callers that ask until they are stopped; each makes a new connection when it loses one."""

    def __init__(self, server: Running, row: list[float], callers: int = 4) -> None:
        self.statuses: Counter[str] = Counter()
        self._server = server
        self._row = row
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(callers)]

    def _run(self) -> None:
        caller: Caller | None = None
        while not self._stop.is_set():
            what = "kept"
            try:
                if caller is None:
                    what = "new"
                    caller = Caller(self._server)
                status, _ = caller.ask("/predict", {"instances": [self._row]})
                self.statuses[str(status)] += 1
            except (OSError, HTTPException):
                self.statuses[f"{what} lost"] += 1
                caller = None
        if caller is not None:
            caller.close()

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_front_that_dies_takes_its_connections_and_nothing_else(server: Running, row: list[float]) -> None:
    before = fronts(server)
    sums: list[float] = []

    def scrape() -> bool:
        sums.append(counted(server, "chorus_http_requests_total", route="/predict"))
        return True

    with Load(server, row) as load:
        until(lambda: load.statuses["200"] > 200 and scrape(), "some answers")
        os.kill(before["front 2"], signal.SIGKILL)
        at = load.statuses["200"]
        until(lambda: scrape() and load.statuses["200"] > at + 100, "answers while it is away")
        until(lambda: scrape() and fronts(server).get("front 2", before["front 2"]) != before["front 2"], "another")
        until(lambda: scrape() and load.statuses["200"] > at + 400, "answers when it is back")
    scrape()
    assert sums == sorted(sums)
    assert set(load.statuses) <= {"200", "kept lost"}
    assert load.statuses["kept lost"] <= 4
    assert fronts(server)["front 1"] == before["front 1"]
    assert server.process.poll() is None


def test_a_stopped_front_is_missing_and_then_replaced(server: Running, row: list[float]) -> None:
    callers = [Caller(server) for _ in range(4)]
    for caller in callers:
        assert caller.ask("/predict", {"instances": [row]})[0] == 200
        caller.close()
    before = fronts(server)
    shown = counted(server, "chorus_answers_total", ensemble="log_pool")
    os.kill(before["front 2"], signal.SIGSTOP)
    until(lambda: server.ask("/debug/backends")[1]["missing"] == ["front 2"], "that it is missed")
    _, text = server.ask("/metrics")
    assert total(text, "chorus_answers_total", ensemble="log_pool") == shown
    assert total(text, "chorus_front_up", front="front 2") == 0
    assert server.ask("/debug/requests")[1]["missing"] == ["front 2"]
    _, switched = server.ask("/debug/backends/mlp/disable", {}, JSON)
    assert (switched["state"], switched["missing"]) == ("disabled", ["front 2"])
    until(lambda: not alive(before["front 2"]), "its end")
    until(lambda: server.ask("/debug/fronts")[1]["missing"] == [], "another")
    assert fronts(server)["front 2"] != before["front 2"]
    assert server.ask("/debug/backends/mlp")[1]["state"] == "disabled"
    assert counted(server, "chorus_answers_total", ensemble="log_pool") == shown
    assert "stopped by a signal" in server.log


def test_a_stopped_worker_is_replaced(server: Running, row: list[float]) -> None:
    before = server.pids()
    server.signal(signal.SIGSTOP, "forest")
    until(lambda: server.pids().get("forest") != before["forest"], "that it is away")
    until(lambda: server.pids().get("forest", before["forest"]) != before["forest"], "another")
    until(lambda: server.ask("/predict", {"instances": [row]})[1]["outcome"]["status"] == "complete", "a whole vote")
    assert {name: pid for name, pid in server.pids().items() if name != "forest"} == {
        name: pid for name, pid in before.items() if name != "forest"
    }


def test_a_stopped_supervisor_kills_nobody_when_it_wakes_up(server: Running) -> None:
    before = server.pids() | fronts(server)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(6.5)  # longer than anyone may be silent
    server.process.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert server.pids() | fronts(server) == before


def test_it_stops_cleanly(server: Running, row: list[float]) -> None:
    children = server.children()
    assert len(children) == len(MEMBERS) + 2
    assert server.ask("/predict", {"instances": [row]})[0] == 200
    assert server.stop() == 0
    assert not list(server.runtime.glob("chorus-*"))
    assert "Traceback" not in server.log


def test_too_many_connections_for_the_open_files_are_no_more_than_a_wait(trained: Registry, tmp_path: Path) -> None:
    config = write_config(tmp_path, trained.path)
    with Running(config, tmp_path, within=("prlimit", "--nofile=256:256")) as server:
        probe = Caller(server)
        (front,) = fronts(server).values()
        callers = [_connected(server) for _ in range(1000)]
        began, busy = time.monotonic(), _cpu_seconds(front)
        while time.monotonic() - began < 3:
            assert probe.ask("/livez")[0] == 200
            time.sleep(0.1)
        assert _cpu_seconds(front) - busy < 1.5
        (about,) = probe.ask("/debug/fronts")[1]["fronts"]
        assert 100 < about["connections"] <= about["max_connections"] < 256
        for caller in callers:
            caller.close()
        until(lambda: server.ask("/livez")[0] == 200, "that it takes new connections")
        probe.close()
        assert fronts(server) == {"front": front}
        assert server.log.count("no connection can be accepted") == 0


def _connected(server: Running) -> socket.socket:
    split = urlsplit(server.origin)
    return socket.create_connection((split.hostname, split.port), timeout=30)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

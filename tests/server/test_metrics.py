"""The metrics, read by a real Prometheus (Debian's package) and checked by its own tools."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest

from models.registry import Registry
from tests.running import MEMBERS, Running, until, write_config

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(write_config(folder, trained.path), folder) as running:
        yield running


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


@pytest.fixture(scope="module")
def prometheus(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes the server every 100 ms; its address."""
    assert shutil.which("prometheus"), "Debian's package prometheus is missing; make test installs it"
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\n"
        f"scrape_configs: [{{job_name: chorus, static_configs: [{{targets: ['{urlsplit(server.origin).netloc}']}}]}}]\n"
    )
    address = f"127.0.0.1:{_free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={address}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(lambda: _ready(address), "a Prometheus that is ready")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_the_exposition_passes_prometheus_own_linter(server: Running, row: list[float], tmp_path: Path) -> None:
    server.ask("/predict", {"instances": [row]})
    server.ask("/nowhere")
    _, text = server.ask("/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_prometheus_reads_what_happened(server: Running, prometheus: str, row: list[float]) -> None:
    hard = 'chorus_answers_total{ensemble="hard"}'
    before = _sum(prometheus, hard)
    for _ in range(20):
        assert server.ask("/v1/models/hard:predict", {"instances": [row, row]})[0] == 200
    server.signal(signal.SIGSTOP, "forest")
    assert server.ask("/predict", {"instances": [row], "parameters": {"timeout_ms": 50}})[0] == 200
    server.signal(signal.SIGCONT, "forest")
    until(lambda: _sum(prometheus, hard) == before + 20, "20 more answers of hard")
    until(lambda: _items(prometheus, 'chorus_answers_total{status="partial"}'), "the partial answer")
    ((late, _),) = _items(prometheus, 'chorus_member_fates_total{ensemble="log_pool",fate="late"}')
    assert (late["member"], late["reason"]) == ("forest", "timeout")
    assert _sum(prometheus, "chorus_agreement_count") >= 41
    assert _sum(prometheus, 'chorus_call_rows_bucket{backend="hard",le="1.0"}') == 0
    assert _sum(prometheus, 'chorus_call_rows_bucket{backend="hard",le="2.0"}') == before + 20


def test_every_backend_has_its_series_from_the_start(prometheus: str) -> None:
    until(lambda: _items(prometheus, "chorus_backend_ready"), "a scrape")
    ready = {labels["backend"]: value for labels, value in _items(prometheus, "chorus_backend_ready")}
    assert ready == dict.fromkeys(("log_pool", "soft", "hard", *MEMBERS), "1")


def test_a_restart_is_counted(server: Running, prometheus: str) -> None:
    server.signal(signal.SIGKILL, "mlp")
    until(lambda: _sum(prometheus, 'chorus_backend_restarts_total{backend="mlp"}') == 1, "the restart")


def test_paths_that_lead_nowhere_share_one_label(server: Running) -> None:
    for path in ("/x", "/y", "/z?a=b"):
        server.ask(path)
    _, text = server.ask("/metrics")
    assert b'route="unknown"' in text
    assert b'route="/x"' not in text


def test_open_metrics_is_given_to_who_asks_for_it(server: Running) -> None:
    _, text = server.ask("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert text.endswith(b"# EOF\n")


def _items(address: str, query: str) -> list[tuple[dict[str, str], str]]:
    connection = HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", f"/api/v1/query?query={quote(query)}")
        answer: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
    finally:
        connection.close()
    return [(one["metric"], one["value"][1]) for one in answer["data"]["result"]]


def _sum(address: str, query: str) -> float:
    return sum(float(value) for _, value in _items(address, query))


def _ready(address: str) -> bool:
    try:
        _items(address, "up")
    except (OSError, msgspec.DecodeError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

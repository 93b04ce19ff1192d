"""`chorus bench` as a user runs it, at a real server with real models in processes."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.registry import Registry
from server.bench.report import BenchReport
from tests.running import MEMBERS, PATIENCE, Running, until, write_config
from tests.server.bench.test_page import Parsed

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(write_config(folder, trained.path), folder) as running:
        yield running


def bench(*arguments: object, url: str | None = None) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])} | ({"CHORUS_URL": url} if url else {})
    command = [sys.executable, "-m", "server", "bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environ, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def report(server: Running, *arguments: object) -> BenchReport:
    done = bench(server.origin, "--warm-up", 0.1, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=BenchReport)


def asked(server: Running, name: str) -> int:
    """How many requests a backend or ensemble has had."""
    count: int = server.ask(f"/debug/backends/{name}")[1]["asked"]
    return count


def test_what_it_counts_is_what_the_server_had(server: Running) -> None:
    before = asked(server, "soft")
    done = bench(server.origin, "soft", "--rate", 50, "--seconds", 1, "--warm-up", 0, "--json")
    found = msgspec.json.decode(done.stdout, type=BenchReport)
    assert asked(server, "soft") == before + 50 + 1  # and the first, which must not be wrong
    assert found.result.offered == found.result.answered == 50
    assert set(found.result.members) == set(MEMBERS)
    assert sum(one.last for one in found.result.members.values()) == 50
    assert found.result.outcomes.keys() <= {"complete", "partial"}
    assert found.asked.model == "soft"
    assert found.asked.rows == 3
    assert found.result.latency_ms["p50"] > 0
    assert len(found.result.series) >= 1
    assert done.stderr.splitlines()[0].startswith("   1/1 s  sent 50")


@pytest.mark.parametrize("protocol", ["v1", "v2", "v2-binary"])
def test_every_protocol_is_answered_and_read(server: Running, protocol: str) -> None:
    options = ("--protocol", protocol, "--rows-per-request", 3, "--members", "forest,mlp", "--quorum", 1)
    found = report(server, "hard", "-c", 2, "--seconds", 0.5, *options)
    assert found.result.answered == found.result.offered > 0
    assert sum(found.result.outcomes.values()) == found.result.answered
    assert set(found.result.members) == {"forest", "mlp"}
    assert found.result.members["forest"].p50_ms is not None
    assert found.asked.loop == "closed loop"


def test_one_model_has_no_members(server: Running) -> None:
    found = report(server, "forest", "--rate", 50, "--seconds", 0.2, "--protocol", "v2")
    assert found.result.outcomes == {"complete": 10}
    assert found.result.members == {}


def hung(server: Running, *arguments: object) -> BenchReport:
    """What is reported of the default ensemble while one of its members hangs."""
    server.signal(signal.SIGSTOP, "forest")
    try:
        return report(server, *arguments, "--timeout-ms", 300, "--degraded", 1)
    finally:
        server.signal(signal.SIGCONT, "forest")
        until(lambda: server.ask("/predict", first_example(server))[1]["outcome"]["status"] == "complete", "all again")


def test_a_member_that_hangs_is_whom_the_answers_waited_for(server: Running) -> None:
    found = hung(
        server, "--rate", 20, "--seconds", 0.15, "--warm-up", 0
    )  # with the first 4: one less than open a breaker
    assert found.result.outcomes == {"partial": 3}
    assert found.result.degraded_share == 1
    assert found.result.members["forest"].fates == {"late: timeout": 3}
    assert found.result.members["forest"].last == 3
    assert found.result.members["forest"].wait_share > 0.5
    assert found.result.latency_ms["p50"] > 200


def test_a_member_that_hangs_for_long_is_skipped_and_not_waited_for(server: Running) -> None:
    found = hung(server, "--rate", 20, "--seconds", 1)
    assert found.result.outcomes == {"partial": 20}
    forest = found.result.members["forest"]
    assert forest.fates.keys() == {"late: timeout", "skipped: breaker_open"}
    assert sum(forest.fates.values()) == 20
    assert forest.last == forest.fates["late: timeout"]


def first_example(server: Running) -> Any:
    index = server.ask("/")[1]
    return index["models"][index["default"]]["example"]


def test_rows_may_come_from_a_file(server: Running, trained: Registry, tmp_path: Path) -> None:
    manifest = trained.manifest("breast-cancer/logreg")
    names, rows = manifest.signature.features, manifest.examples
    lines = tmp_path / "rows.jsonl"
    lines.write_bytes(
        b"\n".join(msgspec.json.encode(dict(zip(names[::-1], row[::-1], strict=True))) for row in rows[:2])
    )
    for protocol in ("v1", "v2"):
        found = report(server, "soft", "--rows", lines, "--rate", 20, "--seconds", 0.2, "--protocol", protocol)
        assert (found.result.answered, found.asked.rows, found.asked.rows_source) == (4, 2, str(lines))
    lines.write_text('{"mean radius": 1}')
    done = bench(server.origin, "soft", "--rows", lines)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {lines}: line 1: no value for 'mean texture'")


def test_an_objective_that_is_missed_is_exit_code_1_and_one_that_is_met_0(server: Running, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    missed = bench("--rate", 20, "--seconds", 0.5, "--p99-ms", 0.001, "--html", page, url=server.origin)
    assert missed.returncode == 1
    assert re.search(r"missed: p99 [\d.]+ ms, over 0.001 ms", missed.stdout)
    assert Parsed(page.read_text()).count("svg") == 4
    held = bench("--rate", 20, "--seconds", 0.5, "--p99-ms", 60_000, "--share", 0.1, url=server.origin)
    assert held.returncode == 0
    assert "held: p99 within 60000 ms, at least 10 % answered" in held.stdout


def test_a_ramp_that_finds_no_rate_is_exit_code_1(server: Running) -> None:
    done = bench("soft", "--ramp", "--rate", 1, "--seconds", 0.3, "--p99-ms", 0.001, url=server.origin)
    assert done.returncode == 1
    assert "no rate held" in done.stdout
    assert len(re.findall(r"1/s  missed  p99 [\d.]+ ms, over 0.001 ms", done.stderr)) == 2  # which is tried twice


def interrupted(server: Running, until: str, *arguments: object) -> tuple[str, str]:
    """What is printed, and the errors, if Ctrl-C is pressed after a line that matches `until`."""
    command = [sys.executable, "-m", "server", "bench", server.origin, "soft", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not re.search(until, process.stderr.readline()):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "interrupted" in errors
    return said, errors


def test_an_interruption_shows_what_there_is(server: Running) -> None:
    said, _ = interrupted(server, "1/600 s", "--seconds", 600, "--rate", 20)
    assert "soft at" in said
    assert "answers" in said
    said, _ = interrupted(server, r" 10/s  held", "--ramp", "--seconds", 0.3, "--rate", 5, "--p99-ms", 60_000, "--json")
    found = msgspec.json.decode(said, type=BenchReport)
    assert found.ramp is not None
    assert (found.ramp.held, found.ramp.finished, found.interrupted) == (10, False, True)
    assert found.result.rate.offered == 10


def test_what_is_wrong_is_said_in_one_line_before_anything_is_sent(server: Running, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
        for arguments, words in (
            ((nowhere,), "start a server: chorus serve"),
            ((server.origin, "nobody"), "no model 'nobody'"),
            ((server.origin, "soft", "--members", "forest,nobody"), "no member 'nobody'"),
            ((server.origin, "forest", "--quorum", 2), "is one model"),
        ):
            done = bench(*arguments)
            assert (done.returncode, done.stderr.count("\n"), done.stdout) == (1, 1, ""), done
            assert words in done.stderr
    assert bench(server.origin, "--html", tmp_path / "no" / "x.html").returncode == 2
    assert bench(server.origin, "a", "b").returncode == 2

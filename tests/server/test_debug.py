"""What can be seen of a running server, and taken out of its vote: real models in real processes."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from models.registry import Registry
from tests.running import MEMBERS, PATIENCE, Running, until, write_config

pytestmark = pytest.mark.processes

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    config = write_config(folder, trained.path)
    nested = '[ensembles.nested]\nmembers = ["hard", "forest"]\nquorum = 1\n'
    config.write_text(config.read_text() + nested)
    with Running(config, folder) as running:
        yield running


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


@pytest.fixture(autouse=True)
def _whole(server: Running) -> Iterator[None]:
    """Whatever a test did, the next one finds everyone there."""
    yield
    for name in MEMBERS:
        server.ask(f"/debug/backends/{name}/enable", b"", JSON)
    until(lambda: len(server.pids()) == len(MEMBERS), "all workers")
    server.signal(signal.SIGCONT, *MEMBERS)
    until(lambda: all(one["state"] == "ready" for one in server.ask("/debug/backends")[1]["backends"]), "all ready")


def asked(server: Running, row: list[float], request_id: str, path: str = "/predict", **parameters: Any) -> Any:
    """The timeline of one request."""
    server.ask(path, {"instances": [row], "parameters": parameters}, {"X-Request-Id": request_id})
    status, timeline = server.ask(f"/debug/requests/{request_id}")
    assert status == 200, timeline
    return timeline


def chorus(server: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments, "--url", server.origin],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def by_name(timeline: Any) -> dict[str, Any]:
    return {one["name"]: one for one in timeline["members"]}


def test_a_request_is_shown_as_a_timeline(server: Running, row: list[float]) -> None:
    timeline = asked(server, row, "whole")
    expected = {"id": "whole", "model": "log_pool", "http_status": 200, "status": "complete", "rows": 1, "quorum": 3}
    assert {key: timeline[key] for key in expected} == expected
    members = by_name(timeline)
    assert set(members) == set(MEMBERS)
    last = timeline["decided_by"]
    assert timeline["decided"].startswith(f"complete with {last} at ")
    assert members[last]["duration_ms"] == max(one["duration_ms"] for one in members.values())
    assert (
        members[last]["start_ms"] + members[last]["duration_ms"] <= timeline["decided_at_ms"] <= timeline["elapsed_ms"]
    )
    assert members["forest"]["said"]["predictions"] == timeline["answer"]["predictions"] == ["benign"]


def test_the_inputs_are_never_shown(server: Running, row: list[float]) -> None:
    marked = [123456.75, *row[1:]]
    asked(server, marked, "marked")
    server.ask("/predict", {"instances": [["geheim"] * 30]}, {"X-Request-Id": "refused"})
    shown = str([server.ask(path)[1] for path in ("/debug/requests", "/debug/requests/marked")])
    _, refused = server.ask("/debug/requests/refused")
    assert (refused["http_status"], refused["where"]) == (400, "$.instances[0][0]")
    assert "123456" not in shown
    assert "geheim" not in shown + str(refused)


def test_a_stopped_worker_shows_as_the_deadline(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "forest")
    timeline = asked(server, row, "stopped", timeout_ms=300)
    assert (timeline["status"], timeline["at_deadline"], timeline["decided_by"]) == ("partial", True, None)
    assert timeline["decided"].startswith("deadline at ")
    assert timeline["decided"].endswith("with 4 of 5")
    assert (by_name(timeline)["forest"]["fate"], by_name(timeline)["forest"]["reason"]) == ("late", "timeout")
    assert "said" not in by_name(timeline)["forest"]


def test_a_decided_vote_names_who_decided_it(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "mlp")
    timeline = asked(server, row, "decided", "/v1/models/hard:predict", timeout_ms=30_000)
    assert timeline["status"] == "decided"
    assert timeline["decided"].startswith(f"decided by {timeline['decided_by']} at ")
    assert by_name(timeline)[timeline["decided_by"]]["fate"] == "ok"
    assert by_name(timeline)["mlp"]["fate"] == "unneeded"


def test_killed_workers_show_whose_failure_ended_it(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGKILL, *MEMBERS[1:])
    timeline = asked(server, row, "killed", timeout_ms=30_000)
    assert (timeline["http_status"], timeline["status"], timeline["code"]) == (503, "failed", "no_quorum")
    assert timeline["decided"].startswith(f"quorum out of reach after {timeline['decided_by']} (")
    assert by_name(timeline)[timeline["decided_by"]]["fate"] in ("failed", "skipped")
    failed = server.ask("/debug/requests?status=failed&limit=1")[1]["requests"]
    assert [one["id"] for one in failed] == ["killed"]
    assert server.ask("/debug/requests?status=503&limit=1")[1]["requests"] == failed


def test_a_quorum_that_is_late_shows_as_the_deadline(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, *MEMBERS[:3])
    timeline = asked(server, row, "late", timeout_ms=300)
    assert (timeline["http_status"], timeline["at_deadline"]) == (504, True)
    assert timeline["decided"].endswith("with 2 of 5, too few for the quorum of 3")


def test_who_hung_up_is_kept_as_gone(server: Running, row: list[float]) -> None:
    server.signal(signal.SIGSTOP, "forest")
    body = msgspec.json.encode({"instances": [row], "parameters": {"timeout_ms": 30_000}})
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\nContent-Length: {len(body)}\r\n\r\n"
    split = urlsplit(server.origin)
    with socket.create_connection((split.hostname, split.port), timeout=PATIENCE) as client:
        client.sendall(head.encode() + body)
        until(lambda: server.ask("/debug/backends/forest")[1]["in_flight"] == 1, "the call")
    until(lambda: server.ask("/debug/requests/gone")[0] == 200, "the entry")
    gone = server.ask("/debug/requests/gone")[1]
    assert (gone["http_status"], gone["decided"], gone["model"]) == (499, "client_gone", "log_pool")


def test_an_ensemble_in_an_ensemble_shows_its_own_members(server: Running, row: list[float]) -> None:
    members = by_name(asked(server, row, "deep", "/v1/models/nested:predict"))
    assert set(by_name(members["hard"])) == set(MEMBERS)
    assert by_name(members["hard"])["forest"]["start_ms"] >= members["hard"]["start_ms"]


def test_one_model_is_shown_without_members(server: Running, row: list[float]) -> None:
    timeline = asked(server, row, "single", "/v1/models/forest:predict")
    assert (timeline["decided"], timeline["answer"]["predictions"]) == ("answered by itself", ["benign"])
    server.ask("/v2/models/forrest/infer", {}, {"X-Request-Id": "nobody"})
    _, nobody = server.ask("/debug/requests/nobody")
    assert (nobody["model"], nobody["http_status"], nobody["decided"]) == ("forrest", 404, "unknown_name")


def test_requests_are_found_by_model_and_the_newest_come_first(server: Running, row: list[float]) -> None:
    for request_id, path in (("m1", "/v1/models/mlp:predict"), ("x", "/predict"), ("m2", "/v1/models/mlp:predict")):
        asked(server, row, request_id, path)
    found = server.ask("/debug/requests?model=mlp&limit=2")[1]["requests"]
    assert [one["id"] for one in found] == ["m2", "m1"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/debug/requests/nope", 404, "no request 'nope'; the last "),
        ("/debug/requests?limit=0", 400, "from 1 to 1000, got '0'"),
        ("/debug/requests?limit=1001", 400, "from 1 to 1000"),
        ("/debug/requests?status=partail", 400, "did you mean 'partial'"),
    ],
)
def test_a_wrong_question_is_told_what_is_right(
    server: Running, row: list[float], path: str, status: int, said: str
) -> None:
    asked(server, row, "any")
    got, problem = server.ask(path)
    assert got == status
    assert said in problem["error"]


def test_a_disabled_member_is_out_of_the_vote_and_comes_back(server: Running, row: list[float]) -> None:
    for _ in range(2):  # a second time changes nothing
        status, shown = server.ask("/debug/backends/forest/disable", b"", JSON)
        assert (status, shown["state"]) == (200, "disabled")
        assert "warning" not in shown
    timeline = asked(server, row, "without")
    assert (timeline["status"], timeline["asked"], "forest" in by_name(timeline)) == ("complete", 4, False)
    timeline = asked(server, row, "wanted", members=["forest", "mlp"], quorum=1)
    assert (by_name(timeline)["forest"]["fate"], by_name(timeline)["forest"]["reason"]) == ("skipped", "disabled")
    assert server.ask("/v1/models/forest:predict", {"instances": [row]})[0] == 503
    assert server.ask("/debug/backends/forest/enable", b"{}", JSON)[1]["state"] == "ready"
    assert asked(server, row, "again")["asked"] == 5


def test_without_a_quorum_it_is_not_ready_and_says_so(server: Running) -> None:
    answers = [server.ask(f"/debug/backends/{name}/disable", b"", JSON)[1] for name in MEMBERS[:3]]
    assert ["warning" in answer for answer in answers] == [False, False, True]
    assert answers[2]["warning"].endswith(": log_pool, soft, hard, nested")
    assert server.ask("/readyz")[0] == 503
    server.ask(f"/debug/backends/{MEMBERS[0]}/enable", b"", JSON)
    assert server.ask("/readyz")[0] == 200


def test_an_ensemble_can_be_disabled_too(server: Running, row: list[float]) -> None:
    server.ask("/debug/backends/hard/disable", b"", JSON)
    assert server.ask("/v1/models/hard:predict", {"instances": [row]})[1]["code"] == "backend_disabled"
    assert server.ask("/v2/models/hard/ready")[0] == 503
    assert set(by_name(asked(server, row, "shallow", "/v1/models/nested:predict"))) == {"forest"}
    assert server.ask("/debug/backends/hard/enable", b"", JSON)[1]["state"] == "ready"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"} | JSON, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"} | JSON, 403),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({}, 200),
    ],
)
def test_a_page_of_another_site_cannot_switch_anything(server: Running, headers: dict[str, str], status: int) -> None:
    assert server.ask("/debug/backends/mlp/disable", b"", headers)[0] == status
    state = server.ask("/debug/backends/mlp")[1]["state"]
    assert state == ("disabled" if status == 200 else "ready")
    assert server.ask("/debug/backends/mlp/predict", b"{}", headers)[0] == (400 if status == 200 else status)


def test_our_own_page_can(server: Running) -> None:
    assert server.ask("/debug/backends/mlp/disable", b"", {"Origin": server.origin} | JSON)[0] == 200


@pytest.mark.parametrize("verb", ["enable", "disable", "predict"])
def test_a_name_that_is_not_there_is_404(server: Running, verb: str) -> None:
    status, problem = server.ask(f"/debug/backends/forrest/{verb}", b"{}", JSON)
    assert (status, "did you mean 'forest'" in problem["error"]) == (404, True)
    assert server.ask(f"/debug/backends/forest/{verb}")[0] == 405


def test_one_member_alone_says_where_the_time_went_and_counts_for_nothing(server: Running, row: list[float]) -> None:
    before = server.ask("/debug/backends/forest")[1]
    _, expected = server.ask("/v1/models/forest:predict", {"instances": [row]})
    status, answer = server.ask("/debug/backends/forest/predict", {"instances": [row]}, JSON)
    assert status == 200
    assert answer["probabilities"] == expected["probabilities"]
    stages = answer["stages_ms"]
    assert list(stages) == [
        "receive", "decode", "encode", "send_receive",
        "worker_decode", "wait", "model", "return", "worker_encode", "decode_answer",
    ]  # fmt: skip
    assert min(stages.values()) >= 0
    assert sum(stages.values()) == pytest.approx(answer["total_ms"], abs=0.02)
    after = server.ask("/debug/backends/forest")[1]
    assert after["asked"] == before["asked"] + 1  # by its own name


def test_a_disabled_member_can_be_asked_alone(server: Running, row: list[float]) -> None:
    server.ask("/debug/backends/forest/disable", b"", JSON)
    assert server.ask("/debug/backends/forest/predict", {"instances": [row]}, JSON)[0] == 200


def test_a_stopped_member_alone_says_how_far_it_came(server: Running, row: list[float]) -> None:
    before = server.ask("/debug/backends/forest")[1]
    server.signal(signal.SIGSTOP, "forest")
    body = {"instances": [row], "parameters": {"timeout_ms": 200}}
    status, problem = server.ask("/debug/backends/forest/predict", body, JSON)
    assert (status, problem["fate"], problem["reason"]) == (504, "late", "timeout")
    assert list(problem["stages_ms"]) == ["receive", "decode", "encode", "unfinished"]
    after = server.ask("/debug/backends/forest")[1]
    assert (after["fates"], after["last_errors"]) == (before["fates"], before["last_errors"])


def test_an_ensemble_is_not_asked_alone(server: Running, row: list[float]) -> None:
    status, problem = server.ask("/debug/backends/hard/predict", {"instances": [row]}, JSON)
    assert (status, "'hard' (ensemble) is not one model" in problem["error"]) == (400, True)
    assert "ask one of its parts: logreg, forest" in problem["error"]


def test_explain_says_the_same_in_both_protocols(server: Running, row: list[float]) -> None:
    asked_for = {"explain": True, "members": "forest,mlp", "quorum": 2}
    _, one = server.ask("/v1/models/log_pool:predict", {"instances": [row], "parameters": asked_for})
    inputs = [{"name": "features", "shape": [1, 30], "datatype": "FP32", "data": row}]
    _, other = server.ask("/v2/models/log_pool/infer", {"inputs": inputs, "parameters": asked_for})
    outputs = {output["name"]: output["data"] for output in other["outputs"]}
    for name in ("forest", "mlp"):
        assert outputs[f"members.{name}.predictions"] == one["members"][name]["predictions"]
        assert [outputs[f"members.{name}.probabilities"]] == one["members"][name]["probabilities"]
    _, plain = server.ask("/v2/models/log_pool/infer", {"inputs": inputs})
    assert [output["name"] for output in plain["outputs"]] == ["predictions", "probabilities"]


def test_the_command_line_shows_backends_and_switches_them(server: Running) -> None:
    assert chorus(server, "backends", "disable", "mlp").stdout == "mlp is disabled\n"
    (line,) = [line for line in chorus(server, "backends").stdout.splitlines() if line.startswith("mlp ")]
    assert "disabled" in line
    assert chorus(server, "backends", "enable", "mlp").stdout == "mlp is ready\n"
    wrong = chorus(server, "backends", "disable", "mlpp")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error: ")
    assert "did you mean 'mlp'" in wrong.stderr


def test_the_command_line_shows_requests_and_one_as_a_timeline(server: Running, row: list[float]) -> None:
    asked(server, row, "shown")
    listed = chorus(server, "requests", "--limit", "1").stdout.splitlines()
    assert listed[1].startswith("shown ")
    drawn = chorus(server, "requests", "shown").stdout
    assert "5 of 5 answered, quorum 3, 1 row" in drawn
    assert all(f"\n{name} " in drawn for name in MEMBERS)
    assert '"id": "shown"' in chorus(server, "requests", "shown", "--json").stdout
    assert chorus(server, "requests", "--failed", "--model", "no").stdout.startswith("none of the last ")
    assert chorus(server, "requests", "nope").returncode == 1

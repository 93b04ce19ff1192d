"""Drills on a running server, with one front and with two: real models in real processes, of which none is harmed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from tests.running import MEMBERS, PATIENCE, Caller, Running, until, write_config

pytestmark = pytest.mark.processes

JSON = {"Content-Type": "application/json"}
STOP = {"fault": "stop"}


@pytest.fixture(scope="module", params=[1, 2], ids=["one front", "two fronts"])
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Any:
    folder = tmp_path_factory.mktemp("served")
    config = write_config(folder, trained.path)
    nested = '[ensembles.outer]\nmembers = ["hard", "mlp"]\nquorum = 1\n[debug]\ndrills = true\n'
    config.write_text(config.read_text() + nested)
    with Running(config, folder, "--workers", str(request.param)) as running:
        yield running


@pytest.fixture
def callers(server: Running) -> Iterator[list[Caller]]:
    """Enough of them that every front has some; and nothing is drilled for the test that comes next."""
    several = [Caller(server) for _ in range(6)]
    yield several
    for one in several:
        one.close()
    server.ask("/debug/drills/end", {}, JSON)
    until(lambda: not still_open(server), "closed breakers")


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


def still_open(server: Running) -> list[str]:
    """Those whose breaker is not closed; they are asked, which is what closes it."""
    _, answer = server.ask("/debug/backends")
    names = [one["name"] for one in answer["backends"] if one.get("breaker", "closed") != "closed"]
    for name in names:
        server.ask(f"/v1/models/{name}:predict", {"instances": [[0.0] * 30]})
    return names


def begin(caller: Caller, name: str, **wanted: Any) -> Any:
    status, answer = caller.ask(f"/debug/backends/{name}/drill", wanted, JSON)
    assert status == 200, answer
    return answer


def predict(caller: Caller, row: list[float], request_id: str = "", **parameters: Any) -> Any:
    headers = {"X-Request-Id": request_id} if request_id else None
    return caller.ask("/predict", {"instances": [row], "parameters": {"timeout_ms": 600, **parameters}}, headers)


@pytest.mark.parametrize(
    ("wanted", "words", "fate"),
    [
        ({"fault": "slow", "delay_ms": 800}, "slow 800ms", ("late", "timeout")),
        ({"fault": "stop"}, "stop", ("late", "timeout")),
        ({"fault": "fail"}, "fail error", ("failed", "error")),
        ({"fault": "garbage"}, "garbage", ("failed", "invalid")),
    ],
)
def test_a_drill_holds_in_all_fronts_and_every_answer_that_it_touches_says_so(
    server: Running, callers: list[Caller], row: list[float], wanted: dict[str, Any], words: str, fate: tuple[str, str]
) -> None:
    before = server.pids()
    answer = begin(callers[0], "forest", **wanted, for_s=50)
    assert {key: answer[key] for key in ("name", "drill", "missing", "remaining_s")} == {
        "name": "forest", "drill": words, "missing": [], "remaining_s": 50,
    }  # fmt: skip
    for at, caller in enumerate(callers):
        _, listed = caller.ask("/debug/drills")
        assert [(one["name"], one["drill"]) for one in listed["drills"]] == [("forest", words)]
        status, said = predict(caller, row, f"{wanted['fault']}-{at}")
        assert (status, said["outcome"]["answered"], said["outcome"]["drills"]) == (200, 4, {"forest": words})
        assert (said["members"]["forest"]["fate"], said["members"]["forest"]["reason"]) in (
            fate,
            ("skipped", "breaker_open"),
        )
        _, timeline = caller.ask(f"/debug/requests/{wanted['fault']}-{at}")
        assert timeline["drills"] == {"forest": words}
        _, without = predict(caller, row, members=["logreg", "mlp", "xgboost"])
        assert "drills" not in without["outcome"]
        _, backends = caller.ask("/debug/backends")
        assert {one["name"]: one["drill"] for one in backends["backends"] if "drill" in one} == {"forest": words}
        assert b'chorus_backend_drill{backend="forest"} 1.0' in caller.ask("/metrics")[1]
    assert predict(callers[0], row)[1]["members"]["forest"]["fate"] != "ok"
    assert callers[1].ask("/debug/backends/forest/drill/end", {}, JSON) == (200, {"ended": ["forest"], "missing": []})
    for caller in callers:
        assert caller.ask("/debug/drills")[1]["drills"] == []
    until(lambda: predict(callers[0], row)[1]["outcome"]["answered"] == 5, "a whole vote")
    assert "drills" not in predict(callers[0], row)[1]["outcome"]
    assert server.pids() == before
    assert f"a drill begins at forest: {words}, for 50 s" in server.log
    until(lambda: f"the drill at forest is over: {words}" in server.log, "a line in the log")


def test_a_drill_is_over_by_itself(server: Running, callers: list[Caller], row: list[float]) -> None:
    begin(callers[0], "forest", fault="fail", for_s=0.3)
    until(lambda: server.ask("/debug/drills")[1]["drills"] == [], "the end")
    until(lambda: all(predict(one, row)[1]["outcome"]["answered"] == 5 for one in callers), "a whole vote")


def test_both_protocols_errors_and_what_is_nested_tell_of_it(
    server: Running, callers: list[Caller], row: list[float]
) -> None:
    caller = callers[0]
    begin(caller, "forest", fault="slow", delay_ms=1, for_s=50)
    _, nested = caller.ask("/v1/models/outer:predict", {"instances": [row]})
    assert nested["outcome"]["drills"] == {"forest": "slow 1ms"}
    inputs = [{"name": "features", "datatype": "FP32", "shape": [1, 30], "data": row}]
    for name in ("forest", "log_pool"):
        status, said = caller.ask(f"/v2/models/{name}/infer", {"inputs": inputs})
        assert (status, said["parameters"]["drills.forest"]) == (200, "slow 1ms")
    begin(caller, "forest", fault="garbage", for_s=50)
    status, failed = caller.ask("/v1/models/forest:predict", {"instances": [row]})
    assert (status, failed["code"], failed["drills"]) == (502, "invalid_answer", {"forest": "garbage"})
    status, alone = caller.ask("/debug/backends/forest/predict", {"instances": [row]}, JSON)
    assert (status, alone["predictions"]) == (200, ["benign"])


def test_too_many_drills_are_too_few_for_a_quorum_and_one_is_told_before(
    server: Running, callers: list[Caller], row: list[float]
) -> None:
    answers = [begin(callers[0], name, fault="stop", for_s=50) for name in MEMBERS[:2]]
    assert not any("warning" in answer for answer in answers)
    warned = begin(callers[0], MEMBERS[2], fault="stop", for_s=50)
    assert warned["warning"] == "cannot answer the calls that it touches: log_pool, soft, hard"
    status, failed = predict(callers[0], row)
    assert (status, failed["code"]) == (504, "no_quorum_in_time")
    assert failed["drills"] == dict.fromkeys(MEMBERS[:3], "stop")


def test_a_front_that_is_new_holds_what_the_others_hold(
    server: Running, callers: list[Caller], row: list[float]
) -> None:
    begin(callers[0], "forest", fault="slow", delay_ms=1, for_s=50)

    def pids() -> dict[str, int]:
        return {one["name"]: one["pid"] for one in server.ask("/debug/fronts")[1]["fronts"]}

    before = pids()
    if len(before) == 1:
        pytest.skip("needs another")
    os.kill(before["front 2"], signal.SIGKILL)
    until(lambda: pids().get("front 2", before["front 2"]) != before["front 2"], "another front 2")
    callers += [Caller(server) for _ in range(6)]
    for caller in callers[-6:]:
        assert predict(caller, row)[1]["outcome"]["drills"] == {"forest": "slow 1ms"}


@pytest.mark.parametrize(
    ("name", "wanted", "status", "says"),
    [
        ("forest", {"fault": "burn"}, 400, "burn"),
        ("forest", {"fault": "slow"}, 400, "$.delay_ms"),
        ("forest", {"fault": "stop", "delay_ms": 5}, 400, "$.delay_ms"),
        ("forest", {"fault": "stop", "reason": "reset"}, 400, "$.reason"),
        ("forest", {"fault": "stop", "for_s": 601}, 400, "$.for_s"),
        ("forest", {"fault": "stop", "share": 0}, 400, "$.share"),
        ("forest", {"fault": "stop", "until": 1}, 400, "until"),
        ("hard", {"fault": "stop"}, 400, "drill one of its parts: logreg, forest"),
        ("florest", {"fault": "stop"}, 404, "did you mean 'forest'"),
        ("forest", None, 404, "there is no drill at 'forest'"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    callers: list[Caller], name: str, wanted: dict[str, Any] | None, status: int, says: str
) -> None:
    path = f"/debug/backends/{name}/drill"
    got, answer = callers[0].ask(path if wanted else f"{path}/end", wanted or {}, JSON)
    assert (got, says in answer["error"]) == (status, True), answer
    assert callers[0].ask("/debug/drills")[1]["drills"] == []


@pytest.mark.parametrize("path", ["backends/forest/drill", "backends/forest/drill/end", "drills/end"])
def test_pages_of_other_sites_can_neither_begin_nor_end_one(callers: list[Caller], path: str) -> None:
    assert callers[0].ask(f"/debug/{path}", STOP, {**JSON, "Origin": "http://evil.example"})[0] == 403
    assert callers[0].ask(f"/debug/{path}", STOP, {**JSON, "Host": "evil.example"})[0] == 403
    assert callers[0].ask(f"/debug/{path}", STOP, {"Content-Type": "text/plain"})[0] == 415
    assert callers[0].ask("/debug/drills")[1]["drills"] == []


def test_the_command_line_begins_lists_and_ends(server: Running, callers: list[Caller], row: list[float]) -> None:
    def chorus(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "server", *arguments, "--url", server.origin],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert chorus("drill", "list") == "no drill is on\n"
    assert chorus("drill", "slow", "forest", "1ms").startswith("forest: slow 1ms, for 60 s")
    assert chorus("drill", "fail", "mlp", "--reason", "reset", "--share", "0.3", "--for", "2m").startswith(
        "mlp: fail reset, 0.3 of the calls, for 120 s"
    )
    predict(callers[0], row, "drilled")
    assert [line.split()[:3] for line in chorus("drill", "list").splitlines()[1:]] == [
        ["forest", "slow", "1ms"], ["mlp", "fail", "reset,"],
    ]  # fmt: skip
    assert "ready (drill: slow 1ms)" in chorus("backends")
    assert "drill at forest: slow 1ms" in chorus("requests", "drilled")
    assert "drill at forest: slow 1ms" in chorus("requests")
    assert chorus("drill", "end", "mlp") == "ended: mlp\n"
    assert chorus("drill", "end") == "ended: forest\n"
    assert chorus("drill", "end") == "no drill is on\n"


def test_where_they_are_not_allowed_there_are_none(trained: Registry, tmp_path: Path) -> None:
    with Running(write_config(tmp_path, trained.path, inline=True), tmp_path) as server:
        status, answer = server.ask("/debug/backends/forest/drill", STOP, JSON)
        assert (status, answer["code"]) == (403, "drills_not_allowed")
        assert "[debug] drills = true" in answer["error"]
        assert server.ask("/debug/drills") == (200, {"allowed": False, "drills": []})


def test_a_model_in_the_front_itself_can_be_drilled_too(trained: Registry, tmp_path: Path, row: list[float]) -> None:
    config = write_config(tmp_path, trained.path, inline=True)
    config.write_text(config.read_text() + "[debug]\ndrills = true\n")
    with Running(config, tmp_path) as server:
        caller = Caller(server)
        for wanted, fate in (
            ({"fault": "stop"}, "late"),
            ({"fault": "slow", "delay_ms": 1}, "ok"),
            ({"fault": "garbage"}, "failed"),
        ):
            begin(caller, "forest", **wanted)
            _, said = predict(caller, row)
            assert (said["members"]["forest"]["fate"], list(said["outcome"]["drills"])) == (fate, ["forest"])
        begin(caller, "forest", fault="stop")
        status, late = caller.ask("/v1/models/forest:predict", {"instances": [row], "parameters": {"timeout_ms": 100}})
        assert (status, late["code"]) == (504, "deadline_exceeded")
        caller.close()


def test_it_goes_on_when_the_server_reloads_and_ends_where_none_are_allowed_any_more(
    trained: Registry, tmp_path: Path, row: list[float]
) -> None:
    config = write_config(tmp_path, trained.path)
    plain = config.read_text()
    config.write_text(plain + "[debug]\ndrills = true\n")
    with Running(config, tmp_path, "--workers", "2") as server:

        def reload(*options: str) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "server", "reload", "--config", str(config), *options],
                env=os.environ | {"XDG_RUNTIME_DIR": str(server.runtime)},
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout

        def touched() -> list[dict[str, str]]:
            callers = [Caller(server) for _ in range(6)]
            said = [predict(caller, row)[1]["outcome"].get("drills", {}) for caller in callers]
            for caller in callers:
                caller.close()
            return said

        everywhere = [{"forest": "slow 1ms"}] * 6
        caller = Caller(server)
        begin(caller, "forest", fault="slow", delay_ms=1, for_s=500)
        caller.close()
        assert touched() == everywhere
        forest = '"breast-cancer/forest"\n'
        config.write_text(config.read_text().replace(forest, f"{forest}limit = 20\n"))
        assert "forest" in reload()
        assert touched() == everywhere
        reload("--restart")
        assert touched() == everywhere
        config.write_text(plain)
        reload("--restart")
        assert not any(touched())
        assert server.ask("/debug/drills")[1]["allowed"] is False

"""Chains, switches and splits behind one name, over real processes and sockets."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest

from models.oip.responses import decode_response
from models.promotion import start_canary
from models.registry import Registry
from tests.running import Running, until

pytestmark = pytest.mark.processes

CODE = """
import time
import numpy as np

def prepare(c):
    time.sleep(float(c["delay"].max()))
    return {"x": c["raw"] * 2, "y": c["raw"] + 1}

def low(c):
    return np.where(c["x"] < 4, "yes", "no").tolist()

def high(c):
    return np.where(c["y"] > 2, "yes", "no").tolist()

def explain(c):
    return {"text": [f"{share:.2f} because raw is {raw:g}" for share, raw in zip(c["yes"], c["raw"])]}
"""
FAR = """
[backends.prepare]
python = "own:prepare"
features = ["raw", "delay"]
task = "transform"
outputs = ["x", "y"]
"""
NEAR = """
[backends.prepare]
url = "{url}"
model = "prepare"
features = ["raw", "delay"]
task = "transform"
outputs = ["x", "y"]
[backends.gone]
url = "http://127.0.0.1:1"
model = "prepare"
features = ["raw", "delay"]
task = "transform"
outputs = ["x", "y"]
[backends.low]
python = "own:low"
features = ["x"]
labels = ["no", "yes"]
[backends.high]
python = "own:high"
features = ["y"]
labels = ["yes", "no"]
inline = true
[backends.explain]
python = "own:explain"
features = ["yes", "raw"]
task = "transform"
outputs = ["text:BYTES"]
inline = true
[ensembles.vote]
members = ["low", "high"]
rule = "soft"
[chains.scored]
steps = ["prepare", "vote"]
timeout_ms = 20000
[chains.explained]
steps = ["scored", "explain"]
timeout_ms = 20000
[chains.broken]
steps = ["gone", "vote"]
[switches.routed]
parameters = ["region"]
features = ["country:BYTES"]
cases = [
  {{ when = "parameters.region == 'eu'", use = "low" }},
  {{ when = "inputs.country == 'fr' || inputs.x > `100`", use = "vote" }},
]
otherwise = "high"
[splits.shared]
shares = {{ low = 0.5, high = 0.5 }}
key = "parameters.user"
[chains.all]
steps = ["prepare", "mixed"]
[ensembles.mixed]
members = ["shared", "low"]
rule = "soft"
quorum = 1
"""


JSON = {"Content-Type": "application/json"}


def written(folder: Path, text: str) -> Path:
    (folder / "own.py").write_text(CODE)
    path = folder / "chorus.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("far")
    with Running(written(folder, FAR), folder) as running:
        yield running


@pytest.fixture(scope="module")
def server(far: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("near")
    with Running(written(folder, NEAR.format(url=far.origin)), folder) as running:
        until(lambda: running.ask("/v2/models/prepare/ready")[0] == 200, "the preprocessor's metadata")
        yield running


def predict(server: Running, name: str, *rows: dict[str, Any], id: str = "", **parameters: Any) -> tuple[int, Any]:  # noqa: A002
    headers = {"X-Request-Id": id} if id else {}
    return server.ask(f"/v1/models/{name}:predict", {"instances": rows, "parameters": parameters}, headers)


def raw(*values: float, delay: float = 0) -> list[dict[str, float]]:
    return [{"raw": value, "delay": delay} for value in values]


def asked(server: Running, *names: str) -> list[int]:
    return [server.ask(f"/debug/backends/{name}")[1]["asked"] for name in names]


def names(parts: list[Any]) -> list[Any]:
    """Who was asked, with those that each asked."""
    return [[part["name"], names(part["parts"])] if "parts" in part else part["name"] for part in parts]


def test_a_remote_preprocessor_and_an_ensemble_answer_as_one(server: Running) -> None:
    status, answer = predict(server, "scored", *raw(1.5, 1))
    assert (status, answer["predictions"], answer["labels"]) == (200, ["yes", "no"], ["no", "yes"])
    assert answer["probabilities"] == [[0, 1], [0.5, 0.5]]
    assert set(answer["members"]) == {"low", "high"}
    assert [(part["name"], part["fate"]) for part in answer["parts"]] == [("prepare", "ok"), ("vote", "ok")]
    assert (answer["outcome"]["asked"], answer["outcome"]["quorum"]) == (2, 2)


def test_a_slow_preprocessor_is_a_504_and_the_ensemble_is_not_started(server: Running) -> None:
    before = asked(server, "vote", "low", "high")
    status, problem = predict(server, "scored", *raw(1, delay=0.5), timeout_ms=100)
    assert (status, problem["code"]) == (504, "deadline_exceeded")
    assert problem["detail"].startswith("step 'prepare': ")
    fates = [(part["name"], part["fate"], part["reason"]) for part in problem["parts"]]
    assert fates == [("prepare", "late", "timeout"), ("vote", "skipped", "not_reached")]
    assert asked(server, "vote", "low", "high") == before


def test_a_preprocessor_that_is_not_there_is_named(server: Running) -> None:
    before = asked(server, "vote")
    status, problem = predict(server, "broken", *raw(1))
    assert (status, problem["detail"][: len("step 'gone': ")]) == (503, "step 'gone': ")
    assert asked(server, "vote") == before
    assert server.ask("/v2/models/broken/ready")[0] == 503
    assert server.ask("/debug/backends/broken")[1]["state"] == "parts away"


def test_what_explains_an_answer_is_given_the_answer_and_the_request(server: Running) -> None:
    status, answer = predict(server, "explained", *raw(1.5, 1))
    assert (status, answer["predictions"]) == (200, [["1.00 because raw is 1.5"], ["0.50 because raw is 1"]])
    assert names(answer["parts"]) == [["scored", ["prepare", "vote"]], "explain"]
    assert set(answer["members"]) == {"low", "high"}
    body = {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 0]}]}
    status, answer = server.ask("/v2/models/explained/infer", body)
    assert answer["outputs"] == [
        {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["0.50 because raw is 1"]}
    ]
    assert answer["parameters"]["parts.scored.parts.prepare.fate"] == "ok"


def test_what_is_asked_of_an_ensemble_reaches_it_through_a_chain(server: Running) -> None:
    _, answer = predict(server, "explained", *raw(1), members=["low"], quorum=1, explain=True)
    assert list(answer["members"]) == ["low"]
    assert answer["members"]["low"]["predictions"] == ["yes"]
    status, problem = predict(server, "shared", {"x": 1, "y": 1}, quorum=1)
    assert (status, problem["where"]) == (400, "$.parameters.quorum")


def test_a_switch_asks_by_what_is_said_and_by_each_row(server: Running) -> None:
    rows = [{"x": 1, "y": 1, "country": country} for country in ("fr", "de", "fr")]
    _, answer = predict(server, "routed", *rows, region="eu")
    assert [(part["name"], part["when"]) for part in answer["parts"]] == [("low", "parameters.region == 'eu'")]
    _, answer = predict(server, "routed", *rows)
    assert [(part["name"], part["rows"]) for part in answer["parts"]] == [("vote", [0, 2]), ("high", [1])]
    assert [row[1] for row in answer["probabilities"]] == [0.5, 0, 0.5]
    status, problem = predict(server, "routed", *rows, regoin="eu")
    assert (status, problem["detail"]) == (400, "unknown parameter 'regoin'; did you mean 'region'?")
    status, problem = predict(server, "routed", *rows, region=["eu"])
    assert (status, problem["where"]) == (400, "$.parameters.region")


def test_a_split_asks_the_same_side_for_the_same_key(server: Running) -> None:
    def side(**said: Any) -> str:
        (part,) = predict(server, "shared", {"x": 1, "y": 1}, **said)[1]["parts"]
        return str(part["name"])

    sides = {user: side(user=user) for user in range(40)}
    assert set(sides.values()) == {"low", "high"}
    assert {user: side(user=str(user)) for user in range(40)} == sides
    assert {side(id="the-same") for _ in range(3)} in ({"low"}, {"high"})


def test_everything_nests_and_is_told_under_debug_and_in_the_metrics(server: Running) -> None:
    status, answer = predict(server, "all", *raw(1), user="u1", id="nested")
    assert (status, answer["outcome"]["asked"]) == (200, 2)
    _, timeline = server.ask("/debug/requests/nested")
    prepare, mixed = timeline["parts"]
    assert prepare["start_ms"] + prepare["duration_ms"] <= mixed["start_ms"]
    (shared,) = [member for member in mixed["members"] if member["name"] == "shared"]
    assert [part["fate"] for part in shared["parts"]] == ["ok"]
    metrics = server.ask("/metrics")[1].decode()
    assert 'chorus_part_fates_total{composition="all",fate="ok",part="prepare",reason=""}' in metrics
    assert 'chorus_calls_total{backend="all",fate="ok",reason=""}' in metrics


def test_what_there_is_is_told_of_every_kind(server: Running) -> None:
    models = server.ask("/")[1]["models"]
    assert (models["scored"]["kind"], models["scored"]["steps"]) == ("chain", ["prepare", "vote"])
    assert (models["routed"]["kind"], models["routed"]["otherwise"]) == ("switch", "high")
    assert models["shared"]["shares"] == {"low": 0.5, "high": 0.5}
    assert set(server.ask("/v1/models")[1]["models"]) == set(models)
    assert server.ask("/v2/models/scored")[1]["platform"] == "chorus_chain"
    kinds = {one["name"]: one["kind"] for one in server.ask("/debug/backends")[1]["backends"]}
    assert (kinds["routed"], kinds["shared"], kinds["vote"], kinds["low"]) == ("switch", "split", "ensemble", "model")
    status, problem = server.ask(
        "/debug/backends/scored/predict", {"instances": raw(1)}, {"Content-Type": "application/json"}
    )
    said = "'scored' (chain) is not one model alone; ask one of its parts: prepare, vote"
    assert (status, problem["detail"]) == (400, said)


def test_what_is_made_of_backends_is_told_at_the_start(server: Running) -> None:
    told = [line.split() for line in server.printed.splitlines()]
    assert ["scored", "chain", "prepare,", "vote"] in told
    assert ["shared", "split", "low,", "high"] in told
    assert ["explained", "chain", "scored,", "explain", "POST", "/predict"] in told


def test_a_disabled_part_fails_what_cannot_do_without_it(server: Running) -> None:
    shown = server.ask("/debug/backends/low/disable", b"", JSON)[1]
    try:
        assert shown["warning"].startswith("cannot answer until something is enabled or comes back: ")
        assert predict(server, "routed", {"x": 1, "y": 1, "country": "fr"}, region="eu")[0] == 503
    finally:
        server.ask("/debug/backends/low/enable", b"", JSON)


def test_the_terminal_shows_steps_one_after_the_other(server: Running) -> None:
    predict(server, "explained", *raw(1), id="drawn")
    command = [sys.executable, "-m", "server", "requests", "drawn", "--url", server.origin]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    order = [line.split()[0] for line in shown.splitlines() if line.strip()]
    assert [name for name in order if name in ("scored", "prepare", "vote", "low", "high", "explain")] == [
        "scored",
        "prepare",
        "vote",
        "low",
        "high",
        "explain",
    ]


def test_a_chain_is_asked_from_the_command_line_without_a_server(far: Running, tmp_path: Path) -> None:
    path = written(tmp_path, NEAR.format(url=far.origin))
    command = [sys.executable, "-m", "server", "predict", "scored", "--row", "raw=1,delay=0", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert msgspec.json.decode(done.stdout)["probabilities"] == {"no": 0.5, "yes": 0.5}


def test_binary_tensors_of_a_transform(server: Running) -> None:
    header = msgspec.json.encode(
        {
            "inputs": [
                {"name": "features", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
            ],
            "parameters": {"binary_data_output": True},
        }
    )
    body = header + np.array([[1, 0], [3, 0]], np.float32).tobytes()
    connection = HTTPConnection(urlsplit(server.origin).netloc)
    connection.request("POST", "/v2/models/prepare/infer", body, {"Inference-Header-Content-Length": str(len(header))})
    response = connection.getresponse()
    answer, length = response.read(), int(response.headers["Inference-Header-Content-Length"])
    connection.close()
    assert decode_response(answer, length, "prepare", ["features"])["features"].tolist() == [[2, 2], [6, 4]]


def test_a_canary_gets_its_share_of_the_same_callers_and_is_told(trained: Registry, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "registry")
    registry = Registry(tmp_path / "registry")
    version = registry.resolve("breast-cancer/forest")
    registry.add(version.manifest, {name: (version.folder / name).read_bytes() for name in version.manifest.files})
    start_canary(registry, "breast-cancer/forest", 0.3)
    text = '[registry]\npath = "registry"\n[backends.forest]\nmodel = "breast-cancer/forest"\n'
    text += 'canary_key = "parameters.user"\n[backends.mlp]\nmodel = "breast-cancer/mlp"\ninline = true\n'
    text += '[ensembles.vote]\nmembers = ["forest", "mlp"]\n'
    with Running(written(tmp_path, text), tmp_path) as server:
        row = server.ask("/")[1]["models"]["vote"]["example"]["instances"][0]

        def side(user: int, name: str = "forest") -> str:
            body = {"instances": [row], "parameters": {"user": user}}
            status, answer = server.ask(f"/v1/models/{name}:predict", body)
            assert status == 200
            return str(answer["parts"][0]["version"])

        sides = [side(user) for user in range(200)]
        assert Counter(sides)["2"] == pytest.approx(60, abs=25)  # five sigmas
        assert [side(user) for user in range(50)] == sides[:50]
        status, answer = server.ask("/predict", {"instances": [row], "parameters": {"user": 1}})
        assert (status, answer["outcome"]["model"], set(answer["members"])) == (200, "vote", {"forest", "mlp"})
        metrics = server.ask("/metrics")[1].decode()
        assert 'chorus_part_fates_total{composition="forest",fate="ok",part="forest@canary",reason=""}' in metrics
        assert 'chorus_call_duration_seconds_count{backend="forest@canary"}' in metrics

"""Every rule, and every way in which an ensemble can be short of answers, through a real server."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.registry import Registry
from tests.running import MEMBERS, Running, until

pytestmark = pytest.mark.processes

CODE = """
import sys
import numpy as np

class Cautious:
    early = True

    def __init__(self, classes):
        self.classes = classes

    def combine(self, scores, weights):
        lowest = np.where(weights[:, :, None] > 0, scores, 1).min(axis=0)
        return lowest / lowest.sum(axis=1, keepdims=True)

    def settled(self, scores, weights, outstanding):
        return outstanding == 0

class Raises(Cautious):
    def combine(self, scores, weights):
        raise RuntimeError("/etc/secret")

class Exits(Cautious):
    def settled(self, scores, weights, outstanding):
        sys.exit(1)

class Misshapen(Cautious):
    def combine(self, scores, weights):
        return scores

class NotANumber(Cautious):
    def combine(self, scores, weights):
        return np.full(scores.shape[1:], np.nan)
"""

INNER = ("logreg", "forest", "mlp")
ENSEMBLES = {
    **{name: f'rule = "{name}"' for name in ("log_pool", "max", "rank", "first")},
    **{name: f'rule = "users_rules:{name}"' for name in ("Cautious", "Raises", "Exits", "Misshapen", "NotANumber")},
    "agreeing": 'rule = "soft"\nmin_agreement = 1.0',
    "prepared": "fallback = { malignant = 0.75, benign = 0.25 }",
    "unanimous": f"quorum = {len(MEMBERS)}",  # which can do without nobody, so that no breaker opens between the tests
}


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "users_rules.py").write_text(CODE)
    backends = "".join(f'[backends.{name}]\nmodel = "breast-cancer/{name}"\n' for name in MEMBERS)
    ensembles = "".join(f"[ensembles.{name}]\nmembers = {list(MEMBERS)}\n{more}\n" for name, more in ENSEMBLES.items())
    nested = (
        f'[ensembles.inner]\nmembers = {list(INNER)}\n[ensembles.outer]\nmembers = ["inner", "hist-gb", "xgboost"]\n'
    )
    config = folder / "chorus.toml"
    config.write_text(f'[registry]\npath = "{trained.path}"\n{backends}{ensembles}{nested}')
    with Running(config, folder) as running:
        yield running


@pytest.fixture(scope="module")
def rows(trained: Registry) -> list[list[float]]:
    return [list(map(float, row)) for row in trained.manifest("breast-cancer/logreg").examples[:3]]


@pytest.fixture
def stopped(server: Running) -> Iterator[Any]:
    """Stops workers until the test is over."""
    names: list[str] = []

    def stop(*more: str) -> None:
        names.extend(more)
        server.signal(signal.SIGSTOP, *more)

    yield stop
    server.signal(signal.SIGCONT, *names)


def ask(server: Running, name: str, rows: list[list[float]], **parameters: Any) -> tuple[int, Any]:
    return server.ask(f"/v1/models/{name}:predict", {"instances": rows, "parameters": {"explain": True, **parameters}})


def said(answer: Any) -> np.ndarray[Any, Any]:
    """(m, n, k): what each member that answered said."""
    return np.array([one["probabilities"] for one in answer["members"].values() if one["fate"] == "ok"])


def test_max_is_the_highest_of_each_label(server: Running, rows: list[list[float]]) -> None:
    _, answer = ask(server, "max", rows)
    highest = said(answer).max(axis=0)
    assert np.array(answer["probabilities"]) == pytest.approx(highest / highest.sum(axis=1, keepdims=True))


def test_rank_of_two_labels_is_the_share_of_the_members_that_prefer_each(
    server: Running, rows: list[list[float]]
) -> None:
    _, answer = ask(server, "rank", rows)
    shares = np.stack([(said(answer).argmax(axis=2) == label).mean(axis=0) for label in (0, 1)], axis=1)
    assert np.array(answer["probabilities"]) == pytest.approx(shares)


def test_first_gives_the_answer_of_the_first_and_lets_the_others_go(
    server: Running, rows: list[list[float]], stopped: Any
) -> None:
    stopped("logreg", "forest", "hist-gb", "mlp")
    status, answer = ask(server, "first", rows)
    assert (status, answer["outcome"]["status"], answer["outcome"]["quorum"]) == (200, "decided", 1)
    assert answer["probabilities"] == answer["members"]["xgboost"]["probabilities"]
    assert [one["fate"] for one in answer["members"].values()] == ["unneeded"] * 4 + ["ok"]


def test_a_class_of_the_users_is_a_rule(server: Running, rows: list[list[float]]) -> None:
    _, answer = ask(server, "Cautious", rows)
    lowest = said(answer).min(axis=0)
    assert np.array(answer["probabilities"]) == pytest.approx(lowest / lowest.sum(axis=1, keepdims=True))
    assert answer["outcome"]["status"] == "complete"


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("Raises", "combine of the rule users_rules:Raises raised RuntimeError"),
        ("Exits", "settled of the rule users_rules:Exits raised SystemExit"),
        ("Misshapen", "probabilities must have the shape (3, 2), got (5, 3, 2)"),
        ("NotANumber", "probabilities must lie in [0, 1], got nan"),
    ],
)
def test_an_error_in_a_rule_is_a_problem_of_that_request(
    server: Running, rows: list[list[float]], name: str, detail: str
) -> None:
    before = server.children()
    for path, body in ((f"/v1/models/{name}:predict", {"instances": rows}), (f"/v2/models/{name}/infer", v2(rows))):
        status, problem = server.ask(path, body)
        assert (status, problem["code"]) == (500, "rule_failed")
        assert detail in problem["detail"]
        assert "secret" not in str(problem)
    assert server.children() == before
    assert ask(server, "log_pool", rows)[0] == 200


def test_the_log_has_the_traceback_of_a_rule_that_raised(server: Running, rows: list[list[float]]) -> None:
    ask(server, "Raises", rows)
    until(lambda: "/etc/secret" in server.log, "the traceback")


def test_rows_with_too_little_agreement_are_listed_in_both_protocols(server: Running, trained: Registry) -> None:
    rows = _disputed(server, trained)
    _, answer = ask(server, "agreeing", rows)
    under = [at for at, share in enumerate(answer["agreement"]) if share < 1]
    assert answer["outcome"]["disagreed"] == under
    assert 0 < len(under) < len(rows)
    _, other = server.ask("/v2/models/agreeing/infer", v2(rows))
    assert other["parameters"]["disagreed"] == ",".join(map(str, under))
    assert "disagreed" not in ask(server, "log_pool", rows)[1]["outcome"]


def _disputed(server: Running, trained: Registry) -> list[list[float]]:
    """Points on the way from one example to another of the other label: somewhere on it the members disagree."""
    examples = np.array(trained.manifest("breast-cancer/logreg").examples, dtype=float)
    labels = ask(server, "log_pool", examples.tolist())[1]["predictions"]
    other = next((at for at, label in enumerate(labels) if label != labels[0]), None)
    far = examples[other] if other is not None else examples[0] * 1.8
    rows: list[list[float]] = np.linspace(examples[0], far, 40).tolist()
    return rows


def test_without_a_quorum_in_time_the_fallback_leaves(server: Running, rows: list[list[float]], stopped: Any) -> None:
    stopped("logreg", "forest", "mlp")
    status, answer = ask(server, "prepared", rows, timeout_ms=300)
    assert status == 200
    outcome = answer["outcome"]
    assert (outcome["status"], outcome["degraded"], outcome["answered"]) == ("fallback", True, 2)
    assert answer["predictions"] == ["malignant"] * 3
    assert answer["probabilities"] == [[0.75, 0.25]] * 3
    assert answer["agreement"] == [0, 0, 0]
    assert [one["fate"] for one in answer["members"].values()] == ["late", "late", "ok", "late", "ok"]
    _, other = server.ask("/v2/models/prepared/infer", v2(rows, parameters={"timeout_ms": 300}))
    assert (other["parameters"]["status"], other["parameters"]["members.forest.fate"]) == ("fallback", "late")
    assert ask(server, "log_pool", rows, timeout_ms=300)[0] == 504


def test_there_is_no_fallback_for_a_bad_request(server: Running, rows: list[list[float]]) -> None:
    assert ask(server, "prepared", [rows[0][:-1]])[0] == 400
    assert ask(server, "prepared", rows, quorum=6)[0] == 400


def test_an_inner_ensemble_is_partial_in_time_for_the_outer_one(
    server: Running, rows: list[list[float]], stopped: Any
) -> None:
    assert ask(server, "outer", rows)[1]["outcome"]["degraded"] is False
    stopped("forest")
    status, answer = ask(server, "outer", rows, timeout_ms=400)
    assert status == 200
    assert {name: one["fate"] for name, one in answer["members"].items()} == dict.fromkeys(
        ("inner", "hist-gb", "xgboost"), "ok"
    )
    assert (answer["outcome"]["status"], answer["outcome"]["degraded"]) == ("complete", True)


def test_an_inner_ensemble_without_a_quorum_is_one_member_that_is_late(
    server: Running, rows: list[list[float]], stopped: Any
) -> None:
    stopped("forest", "mlp")
    status, answer = ask(server, "outer", rows, timeout_ms=400)
    assert (status, answer["outcome"]["status"], answer["outcome"]["answered"]) == (200, "partial", 2)
    inner = answer["members"]["inner"]
    assert (inner["fate"], inner["reason"]) == ("late", "timeout")


# What a request may ask, in every protocol.


def v2(rows: list[list[float]], **more: Any) -> dict[str, Any]:
    data = [value for row in rows for value in row]
    return {"inputs": [{"name": "features", "shape": [len(rows), 30], "datatype": "FP32", "data": data}], **more}


def by_v1(server: Running, rows: list[list[float]], parameters: dict[str, Any]) -> tuple[int, Any]:
    return server.ask("/v1/models/log_pool:predict", {"instances": rows, "parameters": parameters})


def by_default(server: Running, rows: list[list[float]], parameters: dict[str, Any]) -> tuple[int, Any]:
    return server.ask("/predict", {"instances": rows, "parameters": parameters})


def by_v2(server: Running, rows: list[list[float]], parameters: dict[str, Any]) -> tuple[int, Any]:
    status, answer = server.ask("/v2/models/log_pool/infer", v2(rows, parameters=parameters))
    return status, _flat(answer)


def by_v2_with_raw_bytes(server: Running, rows: list[list[float]], parameters: dict[str, Any]) -> tuple[int, Any]:
    raw = np.array(rows, np.float32).tobytes()
    tensor: dict[str, Any] = {"name": "features", "shape": [len(rows), 30], "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": len(raw)}
    header = msgspec.json.encode({"inputs": [tensor], "parameters": parameters})
    length = {"Inference-Header-Content-Length": str(len(header))}
    status, answer = server.ask("/v2/models/log_pool/infer", header + raw, length)
    return status, _flat(answer)


def _flat(answer: Any) -> Any:
    """As KServe's first protocol has it."""
    flat = answer.get("parameters", {})
    members = {key.split(".")[1]: {"fate": fate} for key, fate in flat.items() if key.endswith(".fate")}
    return {**answer, "outcome": flat, "members": members}


EVERY = pytest.mark.parametrize("by", [by_v1, by_default, by_v2, by_v2_with_raw_bytes])


@EVERY
@pytest.mark.parametrize("members", [["mlp", "forest"], "mlp, forest"])
def test_a_subset_can_be_asked_as_a_list_or_with_commas(
    server: Running, rows: list[list[float]], by: Any, members: Any
) -> None:
    status, answer = by(server, rows, {"members": members})
    assert (status, answer["outcome"]["asked"], answer["outcome"]["quorum"]) == (200, 2, 2)
    assert {name: one["fate"] for name, one in answer["members"].items()} == {"forest": "ok", "mlp": "ok"}


@EVERY
def test_a_quorum_and_an_early_answer_can_be_asked(
    server: Running, rows: list[list[float]], by: Any, stopped: Any
) -> None:
    stopped("forest")
    asked = {"members": ["xgboost", "forest"], "quorum": 1, "timeout_ms": 300}
    status, answer = by(server, rows, asked)
    assert (status, answer["outcome"]["status"], answer["outcome"]["quorum"]) == (200, "partial", 1)
    status, answer = by(server, rows, asked | {"quorum": 2})
    assert (status, answer["code"]) == (504, "no_quorum_in_time")
    status, answer = by(server, rows, {"early": True, "quorum": 4, "timeout_ms": 20_000})
    assert (status, answer["outcome"]["status"]) == (200, "decided")
    assert answer["members"]["forest"]["fate"] == "unneeded"


@EVERY
@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        ({"members": ["forest", "forrest"]}, "$.parameters.members[1]"),
        ({"members": []}, "$.parameters.members"),
        ({"members": "forest,"}, "$.parameters.members"),
        ({"members": ["inner/forest"]}, "$.parameters.members[0]"),
        ({"members": 3}, "$.parameters.members"),
        ({"members": ["forest"], "quorum": 2}, "$.parameters.quorum"),
        ({"quorum": 0}, "$.parameters.quorum"),
        ({"quorum": "2"}, "$.parameters.quorum"),
        ({"early": "yes"}, "$.parameters.early"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_place(
    server: Running, rows: list[list[float]], by: Any, parameters: dict[str, Any], where: str
) -> None:
    status, problem = by(server, rows, parameters)
    assert (status, problem["where"]) == (400, where)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('rule = "users_rules:Cautios"', "did you mean 'Cautious'"),
        ('rule = "users_rules:np"', "users_rules:np"),
        ('fallback = "bening"', "did you mean 'benign'"),
    ],
)
def test_what_cannot_be_a_rule_or_a_fallback_stops_the_start_with_its_place(
    trained: Registry, tmp_path: Path, more: str, said: str
) -> None:
    (tmp_path / "users_rules.py").write_text(CODE)
    backend = f'[registry]\npath = "{trained.path}"\n[backends.a]\nmodel = "breast-cancer/mlp"\ninline = true\n'
    (tmp_path / "chorus.toml").write_text(f'{backend}[ensembles.one]\nmembers = ["a"]\n{more}\n')
    with pytest.raises(RuntimeError) as caught:
        Running(tmp_path / "chorus.toml", tmp_path)
    assert said in str(caught.value)
    assert f"[ensembles.one] {more.split()[0]}: " in str(caught.value)
    assert "Traceback" not in str(caught.value)

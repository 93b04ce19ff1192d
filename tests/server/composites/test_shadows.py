"""`[shadows.NAME]` in a configuration: what is wrong with it, and that a server answers as if it were not there."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from server.background import NICENESS
from server.checking import findings_of
from server.config import read_config
from tests.running import Running, until

MEMBERS = ("logreg", "forest", "hist-gb")
NONSENSE = """
import numpy as np

def nan(columns):
    return np.full((len(next(iter(columns.values()))), 2), np.nan)

def contrary(columns):
    return np.tile([0.9, 0.1], (len(next(iter(columns.values()))), 1))
"""


def local(*names: str) -> str:
    return "".join(f'[backends.{name}]\nmodel = "breast-cancer/{name}"\n' for name in names)


def written(folder: Path, registry: Registry, text: str) -> Path:
    path = folder / "chorus.toml"
    path.write_text(f'[registry]\npath = "{registry.path}"\n{text}')
    return path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('primary = "forest"\ncandidates = ["mlp"]', None),
        ('primary = "forest"\ncandidates = []', "candidates: expected at least one"),
        ('primary = "forest"', "candidates: missing; expected a list"),
        ('primary = "forest"\ncandidates = ["mlp", "mlp"]', "candidates: 'mlp' is there twice"),
        ('primary = "forest"\ncandidates = ["forest"]', "candidates: 'forest' is the primary"),
        ('primary = "forst"\ncandidates = ["mlp"]', "primary: unknown name 'forst'; did you mean 'forest'?"),
        ('primary = "s"\ncandidates = ["mlp"]', "primary: nothing can be a part of itself: s > s"),
        ('primary = "forest"\ncandidates = ["mlp"]\nshare = 0', "share: expected a number over 0 and at most 1"),
        ('primary = "forest"\ncandidates = ["mlp"]\nweights = { forest = 2 }', "weights: unknown candidate 'forest'"),
        ('primary = "forest"\ncandidates = ["other"]', "candidates: other has the labels ['yes', 'no'], expected"),
        ('primary = "other"\ncandidates = ["mlp"]', "candidates: mlp takes the feature 'mean texture'"),
    ],
)
def test_a_shadow_is_checked(tmp_path: Path, trained: Registry, settings: str, message: str | None) -> None:
    other = '[backends.other]\nurl = "http://127.0.0.1:1"\nmodel = "x"\nfeatures = ["mean radius"]\n'
    text = local("forest", "mlp") + other + f'labels = ["yes", "no"]\n[shadows.s]\n{settings}\n'
    path = written(tmp_path, trained, text)
    errors = [
        str(error).removeprefix(f"{path}: [shadows.s] ") for error in findings_of(read_config(path, {}, {})).errors
    ]
    assert [error.startswith(message or "") for error in errors[:1]] == ([] if message is None else [True]), errors


def test_a_candidate_in_the_server_itself_is_doubted(tmp_path: Path, trained: Registry) -> None:
    text = local("forest", "mlp") + 'inline = true\n[shadows.s]\nprimary = "forest"\ncandidates = ["mlp"]\n'
    (warning,) = findings_of(read_config(written(tmp_path, trained, text), {}, {})).warnings
    assert "'mlp' is inline: what it computes in the server itself delays other answers" in str(warning)


def config(folder: Path, registry: Registry, row: list[float]) -> Path:
    """An ensemble, and a shadow of it with candidates that are good, contrary, and nonsense."""
    (folder / "nonsense.py").write_text(NONSENSE)
    features = list(registry.manifest("breast-cancer/mlp").signature.features)
    functions = "".join(
        f'[backends.{name}]\npython = "nonsense:{name}"\nfeatures = {features}\nlabels = ["malignant", "benign"]\n'
        for name in ("nan", "contrary")
    )
    return written(
        folder,
        registry,
        local(*MEMBERS, "mlp") + functions + f"[ensembles.all]\nmembers = {list(MEMBERS)}\n"
        '[shadows.watched]\nprimary = "all"\ncandidates = ["mlp", "nan", "contrary"]\nlimit = 2\n'
        "weights = { contrary = 100 }\ncandidate_timeout_ms = 300\n",
    )


def candidates(server: Running) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("/debug/backends/watched")[1]["comparisons"]
    return found


@pytest.mark.processes
def test_a_server_answers_as_if_it_had_no_shadow_and_compares(tmp_path: Path, trained: Registry) -> None:
    row = trained.manifest("breast-cancer/logreg").examples[0]
    with Running(config(tmp_path, trained, row), tmp_path) as server:
        assert server.ask("/")[1]["default"] == "watched"
        nice = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in server.pids().items()}
        assert nice == dict.fromkeys(MEMBERS, nice["logreg"]) | dict.fromkeys(
            ("mlp", "nan", "contrary"), min(19, nice["logreg"] + NICENESS)
        )
        body = {"instances": [row], "parameters": {"explain": True}}
        plain = server.ask("/v1/models/all:predict", body)[1]
        status, answer = server.ask("/v1/models/watched:predict", body, {"X-Request-Id": "one"})
        assert status == 200
        assert (answer["probabilities"], answer["agreement"]) == (plain["probabilities"], plain["agreement"])
        assert list(answer["members"]) == list(MEMBERS)
        until(lambda: all(one["fates"] for one in candidates(server).values()), "all candidates")
        found = candidates(server)
        assert (found["mlp"]["agreed_rows"], found["mlp"]["changed_rows"]) == (1, 0)
        assert found["nan"]["fates"] == {"failed: invalid": 1}
        assert (found["contrary"]["agreed_rows"], found["contrary"]["changed_rows"]) == (0, 1)
        (disagreement,) = found["contrary"]["last_disagreements"]
        assert disagreement["request_id"] == "one"
        assert (disagreement["answered"], disagreement["said"], disagreement["with_it"]) == (
            "benign",
            "malignant",
            "malignant",
        )
        metrics = server.ask("/metrics")[1].decode()
        assert 'chorus_shadow_agreed_rows_total{candidate="mlp",composition="watched"} 1.0' in metrics
        assert 'fate="failed",reason="invalid"' in metrics
        timeline = server.ask("/debug/requests/one")[1]
        said = {one["name"]: one.get("said", {}).get("predictions") for one in timeline["shadows"]}
        assert said == {"mlp": ["benign"], "nan": None, "contrary": ["malignant"]}
        assert [one["name"] for one in timeline["members"]] == list(MEMBERS)


@pytest.mark.processes
def test_a_stopped_shadow_is_dropped_and_a_dead_one_comes_back(tmp_path: Path, trained: Registry) -> None:
    row = trained.manifest("breast-cancer/logreg").examples[0]
    with Running(config(tmp_path, trained, row), tmp_path) as server:
        server.signal(signal.SIGSTOP, "mlp")
        for _ in range(5):
            status, answer = server.ask("/predict", {"instances": [row]})
            assert (status, answer["outcome"]["status"]) == (200, "complete")
        until(lambda: "late: timeout" in candidates(server)["mlp"]["fates"], "the end of a call to the stopped one")
        assert candidates(server)["mlp"]["dropped"] > 0
        server.signal(signal.SIGCONT, "mlp")
        server.signal(signal.SIGKILL, "mlp")

        def agrees_again() -> bool:
            assert server.ask("/predict", {"instances": [row]})[1]["outcome"]["status"] == "complete"
            return bool(candidates(server)["mlp"]["rows"])

        until(agrees_again, "the candidate that was killed")
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.mark.processes
def test_what_several_fronts_compared_is_shown_together(tmp_path: Path, trained: Registry) -> None:
    row = trained.manifest("breast-cancer/logreg").examples[0]
    with Running(config(tmp_path, trained, row), tmp_path, "--workers", "2") as server:
        for number in range(20):
            path = "/v1/models/watched:predict"
            assert server.ask(path, {"instances": [row]}, {"X-Request-Id": f"r{number}"})[0] == 200
        until(lambda: candidates(server)["mlp"]["rows"] + candidates(server)["mlp"]["dropped"] == 20, "all of them")
        found = candidates(server)
        assert found["mlp"]["agreed_rows"] == found["mlp"]["rows"]
        assert found["mlp"]["fates"] == {"ok": found["mlp"]["rows"]}
        assert {one["said"] for one in found["contrary"]["last_disagreements"]} == {"malignant"}

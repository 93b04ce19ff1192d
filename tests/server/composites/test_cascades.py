"""`[cascades.NAME]` in a configuration: what is wrong with it, and what a server makes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.datasets import dataset_called, split
from models.registry import Registry
from models.training import SEED
from server.checking import findings_of
from server.config import read_config
from tests.running import Running

CHEAP, DEAR = ("logreg", "qda"), ("knn", "extra-trees", "mlp", "xgboost")
NUMBERS = ("ridge", "svr", "knn", "forest")


def local(dataset: str, *names: str, inline: bool = False) -> str:
    more = "inline = true\n" if inline else ""
    return "".join(f'[backends.{name}]\nmodel = "{dataset}/{name}"\n{more}' for name in names)


def written(folder: Path, registry: Registry, text: str) -> Path:
    path = folder / "chorus.toml"
    path.write_text(f'[registry]\npath = "{registry.path}"\n{text}')
    return path


def found(folder: Path, registry: Registry, settings: str, dataset: str = "digits") -> list[str]:
    """The errors of one cascade, without the file's and the table's names."""
    names = NUMBERS if dataset == "diabetes" else (*CHEAP, *DEAR)
    path = written(folder, registry, local(dataset, *names) + f"[cascades.c]\n{settings}\n")
    lines = [str(error).removeprefix(f"{path}: ") for error in findings_of(read_config(path, {}, {})).errors]
    return [line.removeprefix("[cascades.c] ") for line in lines]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('stages = [["logreg"], ["knn"]]', None),
        ('stages = [["logreg", "qda"], ["knn"]]\nquorum = [1, 1]\nrule = "hard"\nweights = { knn = 2 }', None),
        ("", "stages: missing; expected a list"),
        ('stages = ["logreg", "knn"]', "stages[0]: expected a list, got 'logreg'"),
        ('stages = [["logreg"]]', "stages: expected at least two lists, with at least one name each"),
        ('stages = [["logreg"], []]', "stages: expected at least two lists, with at least one name each"),
        ('stages = [["logreg"], ["logreg"]]', "stages: 'logreg' is there twice"),
        ('stages = [["logreg"], ["kn"]]', "stages: unknown name 'kn'; did you mean 'knn'?"),
        ('stages = [["logreg"], ["c"]]', "stages: nothing can be a part of itself: c > c"),
        ('stages = [["logreg"], ["knn"]]\nquorum = [1]', "quorum: expected one for each of the 2 stages, got 1"),
        ('stages = [["logreg"], ["knn"]]\nquorum = [1, 2]', "quorum: 2 is more than there are members in stage 2 (1)"),
        ('stages = [["logreg"], ["knn"]]\nweights = { mlp = 2 }', "weights: unknown member 'mlp'"),
        ('stages = [["logreg"], ["knn"]]\nmin_confidence = 0.995', "min_confidence: 0.995 is never reached: of 10"),
        ('stages = [["logreg"], ["knn"]]\nmin_confidence = 0.995\nrule = "soft"', None),
        ('stages = [["logreg"], ["knn"]]\nmin_agreement = 2', "min_agreement: expected a number over 0 and at most 1"),
        ('stages = [["logreg"], ["knn"]]\nmax_spread = 1', "max_spread: labels have none"),
        ('stages = [["logreg"], ["knn"]]\nrule = "first"', "rule: whoever answers first is sure of itself"),
        ('stages = [["logreg"], ["knn"]]\nrule = "mean"', "rule: no rule 'mean' for classification"),
        ('stages = [["logreg"], ["knn"]]\nstage = 1', "stage: unknown key; did you mean 'stages'?"),
    ],
)
def test_a_cascade_of_labels_is_checked(tmp_path: Path, others: Registry, settings: str, message: str | None) -> None:
    errors = found(tmp_path, others, settings)
    assert [error.startswith(message or "") for error in errors[:1]] == ([] if message is None else [True]), errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('stages = [["ridge", "svr"], ["knn"]]\nmax_spread = 10', None),
        ('stages = [["ridge", "svr"], ["knn"]]', "max_spread: missing: how far apart"),
        ('stages = [["ridge"], ["knn"]]\nmax_spread = 10', "stages: one number alone has no spread"),
        ('stages = [["ridge", "svr"], ["knn"]]\nmax_spread = 1\nmin_confidence = 0.5', "min_confidence: numbers have"),
    ],
)
def test_a_cascade_of_numbers_is_checked(tmp_path: Path, others: Registry, settings: str, message: str | None) -> None:
    errors = found(tmp_path, others, settings, "diabetes")
    assert [error.startswith(message or "") for error in errors[:1]] == ([] if message is None else [True]), errors


@pytest.fixture
def rows() -> list[list[float]]:
    x: list[list[float]] = split(dataset_called("digits"), SEED).x_test.tolist()
    return x


@pytest.mark.processes
def test_a_server_asks_the_dear_only_about_what_the_cheap_are_not_sure_of(
    tmp_path: Path, others: Registry, rows: list[list[float]]
) -> None:
    text = local("digits", *CHEAP, *DEAR, inline=True)
    text += f"[cascades.c]\nstages = {[list(CHEAP), list(DEAR)]}\n[ensembles.all]\nmembers = {[*CHEAP, *DEAR]}\n"
    with Running(written(tmp_path, others, text), tmp_path) as server:
        answer = ask(server, "c", rows)
        stages, whole = answer["stages"], ask(server, "all", rows)
        needed = [row for row, stage in enumerate(stages) if stage == 2]
        assert (answer["outcome"]["status"], answer["outcome"]["stage"]) == ("complete", 2)
        assert 0 < len(needed) < 0.1 * len(rows)
        differences = np.array(answer["probabilities"]) - whole["probabilities"]
        assert np.abs(differences[needed]).max() < 1e-6
        assert {name: said["stage"] for name, said in answer["members"].items()} == (
            dict.fromkeys(CHEAP, 1) | dict.fromkeys(DEAR, 2)
        )
        sure = next(row for row, stage in enumerate(stages) if stage == 1)
        single = ask(server, "c", [rows[sure]])
        assert (single["outcome"]["asked"], single["outcome"]["stage"], single["stages"]) == (2, 1, [1])
        assert np.abs(np.array(single["probabilities"][0]) - answer["probabilities"][sure]).max() < 1e-6
        assert {said["fate"] for name, said in single["members"].items() if name in DEAR} == {"unneeded"}
        explained = ask(server, "c", rows, explain=True)["members"]
        assert [row for row, said in enumerate(explained["knn"]["predictions"]) if said is not None] == needed
        seen = server.ask("/debug/backends/c")[1]
        assert seen["answers_by_stage"] == {"1": 1, "2": 2}
        assert seen["rows_by_stage"]["2"] == 2 * len(needed)
        metrics = server.ask("/metrics")[1].decode()
        assert 'chorus_stage_answers_total{composition="c",stage="1"} 1.0' in metrics
        newest = server.ask("/debug/requests?limit=1")[1]["requests"][0]
        assert newest["decided"].startswith("stage 2 of 2: ")
        timeline = server.ask(f"/debug/requests/{newest['id']}")[1]
        starts = {one["name"]: one["start_ms"] for one in timeline["members"]}
        assert starts["knn"] > starts["qda"]


def ask(server: Running, model: str, rows: list[list[float]], **parameters: Any) -> dict[str, Any]:
    status, answer = server.ask(f"/v1/models/{model}:predict", {"instances": rows, "parameters": parameters})
    assert status == 200
    found: dict[str, Any] = answer
    return found

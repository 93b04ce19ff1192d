"""`chorus models`, as it is typed."""

import csv
import json
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models.registry import Registry
from models.types import Array

pytestmark = pytest.mark.processes

LABELS = ("setosa", "versicolor", "virginica")
COLUMNS = ("sl", "sw", "pl", "pw")
NO_SERVER = "no server of yours runs with this registry here; the next start takes it up"


@cache
def iris() -> tuple[Array, Array]:
    x, y = load_iris(return_X_y=True)
    return x.astype(np.float32), np.array(LABELS)[y]


def chorus(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", "models", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def said(folder: Path, *words: str) -> str:
    done = chorus(folder, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(folder: Path, *words: str) -> str:
    """The one line of a command that fails."""
    done = chorus(folder, *words)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    x, y = iris()
    for strength in (1.0, 0.1):
        estimator = LogisticRegression(C=strength, max_iter=1000).fit(x, y)
        skops.io.dump(estimator, tmp_path / f"c{strength:g}.skops")
    (tmp_path / "bad.skops").write_bytes(b"PK nonsense")
    (tmp_path / "old.pkl").write_bytes(pickle.dumps(estimator))
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [[*COLUMNS, "label"], *([*map(float, row), label] for row, label in zip(x, y, strict=True))]
        )
    return tmp_path


def test_the_life_of_a_model(folder: Path) -> None:
    assert "to fill it: chorus models add" in said(folder, "list")
    added = said(folder, "add", "own/iris", "c1.skops", "--check", "rows.csv")
    assert "added own/iris@1 (champion)" in added
    assert "takes    features FP32 [-1, 4] (sl, sw, pl, pw)" in added
    assert "on rows.csv: accuracy 0.9" in added
    assert "added own/iris@2 (candidate)" in said(folder, "add", "own/iris", "c0.1.skops", "--check", "rows.csv")
    assert "own/iris@2 is the champion; to undo it: chorus models rollback own/iris" in said(
        folder, "promote", "own/iris"
    )
    listed = json.loads(said(folder, "list", "--json"))
    assert [(row["version"], row["aliases"]) for row in listed] == [("1", ["previous"]), ("2", ["champion"])]
    assert said(folder, "rollback", "own/iris").splitlines() == ["own/iris@1 is the champion again", NO_SERVER]
    assert said(folder, "remove", "own/iris@2") == "removed own/iris@2\n"
    assert "own/iris has no previous champion" in refused(folder, "rollback", "own/iris")
    assert "own/iris@1 is the champion of own/iris" in refused(folder, "remove", "own/iris@1")
    said(folder, "add", "own/iris", "c0.1.skops", "--check", "rows.csv", "--alias", "candidate")
    said(folder, "promote", "own/iris@3")
    assert "own/iris  3        champion" in said(folder, "list")


def test_a_canary_is_given_a_share_and_then_all_or_nothing(folder: Path) -> None:
    for strength in ("c1", "c0.1"):
        said(folder, "add", "own/iris", f"{strength}.skops", "--check", "rows.csv")
    first, second, third = said(folder, "promote", "own/iris", "--canary", "5%").splitlines()
    assert first == "own/iris@2 gets 5% of the requests"
    assert second == "for all: chorus models promote own/iris; to end it: chorus models rollback own/iris"
    assert third == NO_SERVER
    assert "own/iris@2 gets 12.5% of the requests" in said(folder, "promote", "own/iris", "--canary", "0.125")
    assert "candidate, canary 0.125" in said(folder, "list")
    assert [row["canary_share"] for row in json.loads(said(folder, "list", "--json"))] == [None, 0.125]
    ended = "own/iris@2 is no canary any more: own/iris@1 gets all requests"
    assert said(folder, "rollback", "own/iris").splitlines() == [ended, NO_SERVER]
    said(folder, "promote", "own/iris", "--canary", "5%")
    assert "own/iris@2 is the champion" in said(folder, "promote", "own/iris")
    assert said(folder, "rollback", "own/iris").splitlines() == ["own/iris@1 is the champion again", NO_SERVER]
    for share in ("5", "0", "100%", "a lot"):
        done = chorus(folder, "promote", "own/iris@2", "--canary", share)
        assert (done.returncode, "such as 5% or 0.05" in done.stderr) == (2, True)


def test_a_transformer_is_added_like_a_model(folder: Path) -> None:
    skops.io.dump(StandardScaler().fit(iris()[0]), folder / "scaler.skops")
    added = said(folder, "add", "own/scaled", "scaler.skops", "--check", "rows.csv")
    assert "gives    transform: features FP32 [-1, 4] (sl, sw, pl, pw)" in added
    assert "output       features FP32 [-1, 4]: sl, sw, pl, pw" in said(folder, "show", "own/scaled")


def test_show_and_diff_tell_what_there_is(folder: Path) -> None:
    said(folder, "add", "own/iris", "c1.skops", "--check", "rows.csv")
    said(folder, "add", "own/iris", "c0.1.skops", "--check", "rows.csv", "--temperature", "2")
    shown = said(folder, "show", "own/iris@2")
    assert "labels       setosa, versicolor, virginica" in shown
    assert "temperature  2 (given)" in shown
    assert "compiled     yes, and compared: 150 rows" in shown
    assert json.loads(said(folder, "show", "own/iris@2", "--json"))["calibration"]["temperature"] == 2
    rows = {row["what"]: row for row in json.loads(said(folder, "diff", "own/iris@1", "own/iris@2", "--json"))}
    assert rows["calibration.temperature"] == {"what": "calibration.temperature", "own/iris@1": None, "own/iris@2": 2.0}
    assert rows["metrics.log_loss"]["own/iris@1"] < rows["metrics.log_loss"]["own/iris@2"]
    assert "signature.task" not in rows
    assert "calibration.temperature" in said(folder, "diff", "own/iris@1", "own/iris@2")
    assert "are alike" in said(folder, "diff", "own/iris@1", "own/iris")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("add", "own/iris", "bad.skops"), "error: no skops file that can be loaded: BadZipFile"),
        (("add", "own/iris", "old.pkl"), "error: old.pkl: a pickle can run anything"),
        (("add", "own/iris", "rows.csv"), "error: rows.csv: expected a file that ends in .onnx"),
        (("add", "own/iris", "c1.skops", "--labels", "a,b"), "error: the model has 3 classes, but 2 labels"),
        (("add", "../iris", "c1.skops"), "Error: no model can be called '../iris'"),
        (("show", "own/iris"), "error: no model 'own/iris'"),
        (("rollback", "own/iris"), "error: no model 'own/iris'"),
    ],
)
def test_what_goes_wrong_is_one_line_and_nothing_is_registered(folder: Path, words: tuple[str, ...], line: str) -> None:
    assert refused(folder, *words).startswith(line)
    assert Registry(folder / ".chorus/registry").names() == []


def test_the_registry_is_the_configurations_or_the_one_named(folder: Path) -> None:
    (folder / "other.toml").write_text('[registry]\npath = "elsewhere"\n[backends.x]\nmodel = "own/iris"\n')
    said(folder, "add", "own/iris", "c1.skops", "--config", "other.toml")
    assert Registry(folder / "elsewhere").names() == ["own/iris"]
    assert "own/iris" in said(folder, "list", "--registry", "elsewhere")


def test_a_damaged_version_does_not_hide_the_others(folder: Path) -> None:
    for _ in range(2):
        said(folder, "add", "own/iris", "c1.skops")
    path = folder / ".chorus/registry/own/iris/1/manifest.json"
    path.chmod(0o644)
    path.write_text("{")
    assert [row["runtime"] for row in json.loads(said(folder, "list", "--json"))] == ["damaged", "onnx"]


@pytest.mark.parametrize("command", ["add", "list", "show", "diff", "promote", "rollback", "remove"])
def test_every_command_has_an_example(folder: Path, command: str) -> None:
    assert f"chorus models {command}" in said(folder, command, "--help")

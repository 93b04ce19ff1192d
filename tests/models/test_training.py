"""The five built-in members, trained once for all tests."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.calibration import tempered
from models.datasets import Split, dataset_called, split
from models.errors import UnknownName
from models.registry import Registry
from models.training import SEED, members, train

MEMBERS = members("breast-cancer")


@cache
def rows() -> Split:
    return split(dataset_called("breast-cancer"), SEED)


def test_the_data_set_is_float32_with_its_own_names() -> None:
    data = dataset_called("breast-cancer")
    assert data.x.shape == (569, 30)
    assert data.x.dtype == np.float32
    assert data.labels == ("malignant", "benign")
    assert data.features[:2] == ("mean radius", "mean texture")
    assert [int((data.y == label).sum()) for label in (0, 1)] == [212, 357]


def test_the_split_keeps_the_share_of_each_label() -> None:
    assert rows().rows == {"train": 398, "test": 171}
    assert rows().y_train.mean() == pytest.approx(rows().y_test.mean(), abs=0.005)


def test_all_five_are_registered(trained: Registry) -> None:
    assert sorted(MEMBERS) == ["forest", "hist-gb", "logreg", "mlp", "xgboost"]
    assert trained.names() == [f"breast-cancer/{member}" for member in sorted(MEMBERS)]


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_is_good_and_its_manifest_says_how_good(trained: Registry, member: str) -> None:
    manifest = trained.manifest(f"breast-cancer/{member}")
    said = trained.load(f"breast-cancer/{member}")({"features": rows().x_test})["probabilities"]
    accuracy = (said.argmax(axis=1) == rows().y_test).mean()
    assert accuracy > 0.95
    assert manifest.metrics["accuracy"] == pytest.approx(accuracy)
    loss = -np.log(said[np.arange(171), rows().y_test]).mean()
    assert manifest.metrics["log_loss"] == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_says_what_its_original_says_at_its_temperature(trained: Registry, member: str) -> None:
    reference = f"breast-cancer/{member}"
    said = trained.load(reference)({"features": rows().x_test})["probabilities"]
    temperature = trained.manifest(reference).temperature
    assert temperature
    expected = tempered(trained.original(reference).predict_proba(rows().x_test), temperature)
    assert np.abs(said - expected).max() < 1e-5


@pytest.mark.parametrize("member", MEMBERS)
def test_calibration_lowers_the_loss_on_rows_out_of_fold(trained: Registry, member: str) -> None:
    calibration = trained.manifest(f"breast-cancer/{member}").calibration
    assert calibration
    assert calibration.log_loss_before
    assert calibration.log_loss_after
    assert calibration.log_loss_after < calibration.log_loss_before
    assert "out-of-fold" in calibration.split
    assert not calibration.at_bound


def test_a_manifest_says_how_to_do_it_again(trained: Registry) -> None:
    manifest = trained.manifest("breast-cancer/forest")
    record = manifest.training
    assert record
    assert (record.dataset, record.dataset_sha256) == ("breast-cancer", dataset_called("breast-cancer").sha256)
    assert (record.rows, record.seed) == ({"train": 398, "test": 171}, SEED)
    assert record.parameters["n_estimators"] == 200
    assert {"python", "numpy", "scikit-learn", "skl2onnx"} <= record.libraries.keys()
    assert record.revision is None or re.fullmatch("[0-9a-f]{40}(-dirty)?", record.revision)
    assert record.seconds > 0


def test_a_manifest_is_json_whatever_the_parameters(trained: Registry) -> None:
    for name in trained.names():
        text = (trained.resolve(name).folder / "manifest.json").read_text()
        json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_examples_are_raw_test_rows_of_both_labels(trained: Registry) -> None:
    examples = trained.manifest("breast-cancer/mlp").examples
    assert len(examples) == 3
    found = [(rows().x_test == np.array(row, np.float32)).all(axis=1).argmax() for row in examples]
    assert np.array_equal(rows().x_test[found], np.array(examples, np.float32))
    assert set(rows().y_test[found].tolist()) == {0, 1}
    assert all(len(str(value)) <= 8 for value in examples[0])  # 17.99, not 17.989999771118164


def test_training_again_gives_the_same_model_as_the_next_version(trained: Registry, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    steps: list[tuple[str, str]] = []
    for _ in range(2):
        train("breast-cancer", registry, lambda member, step: steps.append((member, step)), only=["logreg"])
    assert registry.aliases("breast-cancer/logreg") == {"champion": "1", "candidate": "2"}
    assert steps[:4] == [("logreg", step) for step in ("calibrate", "fit", "register", "done")]
    inputs = {"features": rows().x_test}
    said = [
        source.load(f"breast-cancer/logreg@{version}")(inputs)["probabilities"]
        for source, version in ((trained, 1), (registry, 1), (registry, 2))
    ]
    assert np.array_equal(said[0], said[1])
    assert np.array_equal(said[1], said[2])


def test_unknown_data_sets_and_members_are_told_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no data set 'breast', did you mean 'breast-cancer'"):
        train("breast", Registry(tmp_path))
    with pytest.raises(UnknownName, match="no member of breast-cancer 'forrest', did you mean 'forest'"):
        train("breast-cancer", Registry(tmp_path), only=["forrest"])


@pytest.mark.processes
def test_training_makes_no_noise(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.registry import Registry; from models.training import train;"
        "train('breast-cancer', Registry(Path(sys.argv[1])), only=['hist-gb', 'xgboost'])"
    )
    command = [sys.executable, "-W", "default", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")

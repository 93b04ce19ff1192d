"""Ten labels and numbers: every answer is what the registered originals say, combined by plain NumPy."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.datasets import dataset_called, split
from models.registry import Registry
from models.training import SEED, members
from models.types import Array
from tests.originals import calibrated, combined
from tests.running import Running

pytestmark = pytest.mark.processes

DIGITS, DIABETES = members("digits"), members("diabetes")
RULES = {"digits": ("hard", "soft", "log_pool"), "diabetes": ("mean", "median")}
TOLERANCE = {"hard": 1e-5, "soft": 1e-5, "log_pool": 1e-4}
LABELS = list("0123456789")
COMPLETE = {"early": False}


@pytest.fixture(scope="module", params=["workers", "inline"])
def server(
    others: Registry, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(configured(folder, others.path, inline=request.param == "inline"), folder) as running:
        yield running


def configured(folder: Path, registry: Path, *, inline: bool) -> Path:
    """A chorus.toml with all members, and an ensemble `<data set>-<rule>` for each rule."""
    tables = []
    for dataset, rules in RULES.items():
        names = [f"{dataset}-{member}" for member in members(dataset)]
        for name, member in zip(names, members(dataset), strict=True):
            tables.append(f'[backends.{name}]\nmodel = "{dataset}/{member}"\ninline = {str(inline).lower()}')
        tables += [f'[ensembles.{dataset}-{rule}]\nmembers = {names}\nrule = "{rule}"' for rule in rules]
    path = folder / "chorus.toml"
    path.write_text("\n".join([f'[registry]\npath = "{registry}"', *tables]))
    return path


@pytest.fixture(scope="module")
def pixels() -> Array:
    return split(dataset_called("digits"), SEED).x_test


@pytest.fixture(scope="module")
def patients() -> Array:
    return split(dataset_called("diabetes"), SEED).x_test


@pytest.fixture(scope="module")
def votes(others: Registry, pixels: Array) -> Array:
    """(m, n, 10): what each original says, calibrated with its version's temperature."""
    return np.stack([calibrated(others, f"digits/{member}", pixels) for member in DIGITS])


@pytest.fixture(scope="module")
def numbers(others: Registry, patients: Array) -> Array:
    """(m, n): what each original says."""
    return np.stack([others.original(f"diabetes/{member}").predict(patients) for member in DIABETES]).astype(np.float64)


def close(said: object, expected: Array) -> bool:
    """Within 1e-5, relative."""
    return bool((np.abs(np.array(said) - expected) <= 1e-5 * np.abs(expected)).all())


@pytest.mark.parametrize("rule", RULES["digits"])
def test_ten_labels_are_answered_as_the_originals_would(
    server: Running, pixels: Array, votes: Array, rule: str
) -> None:
    body = {"instances": pixels.tolist(), "parameters": COMPLETE}
    status, answer = server.ask(f"/v1/models/digits-{rule}:predict", body)
    assert (status, answer["outcome"]["status"], answer["labels"]) == (200, "complete", LABELS)
    expected = combined(votes, rule)
    probabilities = np.array(answer["probabilities"])
    assert probabilities.shape == expected.shape == (540, 10)
    assert np.abs(probabilities - expected).max() < TOLERANCE[rule]
    best = np.sort(expected, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-4
    ties_too = np.ones(540, bool) if rule == "hard" else clear  # of a hard vote's ties, too, the first label wins
    assert (np.array(answer["predictions"])[ties_too] == np.array(LABELS)[expected.argmax(axis=1)][ties_too]).all()


@pytest.mark.parametrize("rule", RULES["digits"])
def test_the_labels_of_early_answers_are_those_of_complete_ones(
    server: Running, pixels: Array, votes: Array, rule: str
) -> None:
    for index in range(0, len(pixels), 30):
        body = {"instances": [pixels[index].tolist()], "parameters": {"early": True}}
        answer = server.ask(f"/v1/models/digits-{rule}:predict", body)[1]
        best = np.sort(combined(votes[:, index : index + 1], rule)[0])
        if best[-1] - best[-2] > 1e-4:
            assert answer["predictions"] == [LABELS[int(combined(votes[:, index : index + 1], rule)[0].argmax())]]


@pytest.mark.parametrize(("rule", "combine"), [("mean", np.mean), ("median", np.median)])
def test_numbers_are_answered_as_the_originals_would(
    server: Running, patients: Array, numbers: Array, rule: str, combine: object
) -> None:
    assert callable(combine)
    status, answer = server.ask(f"/v1/models/diabetes-{rule}:predict", {"instances": patients.tolist()})
    assert (status, answer["outcome"]["status"], len(answer["predictions"])) == (200, "complete", 133)
    assert close(answer["predictions"], combine(numbers, axis=0))
    assert "labels" not in answer
    assert "probabilities" not in answer


def test_a_subset_of_numbers_is_combined_without_the_others(server: Running, patients: Array, numbers: Array) -> None:
    chosen = [0, 1, 4]
    names = [f"diabetes-{DIABETES[index]}" for index in chosen]
    body = {"instances": patients.tolist(), "parameters": {"members": names}}
    answer = server.ask("/v1/models/diabetes-median:predict", body)[1]
    assert close(answer["predictions"], np.median(numbers[chosen], axis=0))


def test_rows_that_come_one_by_one_are_answered_alike(server: Running, patients: Array, numbers: Array) -> None:
    features = dataset_called("diabetes").features
    for index in range(0, len(patients), 20):
        row = dict(zip(features, patients[index].tolist(), strict=True))
        answer = server.ask("/v1/models/diabetes-mean:predict", {"instances": [row]})[1]
        assert close(answer["predictions"], numbers[:, index].mean(keepdims=True))


def test_each_member_alone_says_what_its_original_says(
    server: Running, pixels: Array, votes: Array, patients: Array, numbers: Array
) -> None:
    for index, member in enumerate(DIGITS):
        answer = server.ask(f"/v1/models/digits-{member}:predict", {"instances": pixels.tolist()})[1]
        assert np.abs(np.array(answer["probabilities"]) - votes[index]).max() < 1e-5
    for index, member in enumerate(DIABETES):
        answer = server.ask(f"/v1/models/diabetes-{member}:predict", {"instances": patients.tolist()})[1]
        assert close(answer["predictions"], numbers[index])

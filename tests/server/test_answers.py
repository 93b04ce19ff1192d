"""Every answer is what the registered originals say, combined by plain NumPy and scikit-learn."""

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from models.datasets import dataset_called, split
from models.registry import Registry
from models.training import SEED
from models.types import Array
from tests.originals import calibrated, combined
from tests.running import MEMBERS, Running, write_config

pytestmark = pytest.mark.processes

TOLERANCE = {"hard": 1e-5, "soft": 1e-5, "log_pool": 1e-4}
LABELS = ["malignant", "benign"]


@pytest.fixture(scope="module", params=["workers", "inline"])
def server(
    trained: Registry, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(write_config(folder, trained.path, inline=request.param == "inline"), folder) as running:
        yield running


@pytest.fixture(scope="module")
def rows() -> Array:
    return split(dataset_called("breast-cancer"), SEED).x_test


@pytest.fixture(scope="module")
def votes(trained: Registry, rows: Array) -> Array:
    """(m, n, k): what each original says, calibrated with its version's temperature."""
    return np.stack([calibrated(trained, f"breast-cancer/{member}", rows) for member in MEMBERS])


@pytest.mark.parametrize("rule", ["hard", "soft", "log_pool"])
def test_all_rows_in_one_body_are_answered_as_the_originals_would(
    server: Running, rows: Array, votes: Array, rule: str
) -> None:
    body = {"instances": rows.tolist(), "parameters": {"early": False}}
    status, answer = server.ask(f"/v1/models/{rule}:predict", body)
    assert (status, answer["outcome"]["status"], answer["labels"]) == (200, "complete", LABELS)
    _check(answer["predictions"], np.array(answer["probabilities"]), votes, rule)


@pytest.mark.parametrize("rule", ["hard", "soft", "log_pool"])
def test_rows_that_come_one_by_one_are_answered_with_the_same_bits(server: Running, rows: Array, rule: str) -> None:
    body = {"instances": rows.tolist(), "parameters": {"early": False}}
    together = server.ask(f"/v1/models/{rule}:predict", body)[1]["probabilities"]
    for index in range(0, len(rows), 10):
        alone = server.ask(f"/v1/models/{rule}:predict", body | {"instances": [rows[index].tolist()]})[1]
        assert alone["probabilities"] == pytest.approx(np.array([together[index]]), abs=1e-6)


@pytest.mark.parametrize("rule", ["hard", "soft", "log_pool"])
def test_the_labels_of_early_answers_are_those_of_complete_ones(
    server: Running, rows: Array, votes: Array, rule: str
) -> None:
    body = {"instances": [], "parameters": {"early": True}}
    for index in range(0, len(rows), 5):
        answer = server.ask(f"/v1/models/{rule}:predict", body | {"instances": [rows[index].tolist()]})[1]
        best = combined(votes[:, index : index + 1], rule)
        if abs(best[0, 0] - best[0, 1]) > 1e-4:
            assert answer["predictions"] == [LABELS[int(best.argmax())]]


def test_each_member_alone_says_what_its_original_says(server: Running, rows: Array, votes: Array) -> None:
    for index, member in enumerate(MEMBERS):
        _, answer = server.ask(f"/v1/models/{member}:predict", {"instances": rows.tolist()})
        assert np.abs(np.array(answer["probabilities"]) - votes[index]).max() < 1e-5


def test_explain_shows_what_each_member_said(server: Running, rows: Array, votes: Array) -> None:
    body = {"instances": rows.tolist(), "parameters": {"explain": True}}
    _, answer = server.ask("/v1/models/soft:predict", body)
    for index, member in enumerate(MEMBERS):
        assert np.abs(np.array(answer["members"][member]["probabilities"]) - votes[index]).max() < 1e-5


def test_binary_tensors_carry_the_same_answer(server: Running, rows: Array, votes: Array) -> None:
    raw = np.ascontiguousarray(rows, "<f4").tobytes()
    tensor = {"name": "features", "shape": rows.shape, "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    header = msgspec.json.encode({"inputs": [tensor], "outputs": outputs})
    headers = {"Inference-Header-Content-Length": str(len(header))}
    status, answer = server.ask("/v2/models/soft/infer", header + raw, headers)
    assert status == 200
    probabilities = np.frombuffer(answer[-len(rows) * 16 :], "<f8").reshape(-1, 2)
    assert np.abs(probabilities - combined(votes, "soft")).max() < 1e-5


def _check(predictions: list[str], probabilities: Array, votes: Array, rule: str) -> None:
    expected = combined(votes, rule)
    assert probabilities.shape == expected.shape
    assert np.abs(probabilities - expected).max() < TOLERANCE[rule]
    clear = np.abs(expected[:, 0] - expected[:, 1]) > 1e-4
    labels = np.array(LABELS)[expected.argmax(axis=1)]
    assert (np.array(predictions)[clear] == labels[clear]).all()

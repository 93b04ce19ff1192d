import json
from typing import Any

import pytest

from backends.oip import Remote
from models.types import PROBABILITIES, TensorSpec, classifier
from server.metadata import Metadata, misfit_of, order_of, read_metadata

FEATURES = TensorSpec("features", "FP32", (-1, 2), ("a", "b"))
THREE = classifier((FEATURES,), ("x", "y", "z"))
REMOTE = Remote("http://there/v2/models/m/infer", "m", THREE, (FEATURES,), PROBABILITIES)


def metadata(**parameters: Any) -> Metadata:
    return read_metadata(json.dumps({"inputs": [], "outputs": [], "parameters": parameters}).encode())


def test_the_order_says_which_of_its_columns_is_each_of_our_labels() -> None:
    order = order_of(metadata(labels=["z", "x", "y"]), REMOTE)
    assert order is not None
    assert [["z", "x", "y"][column] for column in order] == ["x", "y", "z"]


@pytest.mark.parametrize("said", [{}, {"labels": ["x", "y", "z"]}, {"labels": None}, {"labels": [1]}])
def test_without_another_order_columns_stay_as_they_come(said: dict[str, Any]) -> None:
    assert misfit_of(metadata(**said), REMOTE) == ""
    assert order_of(metadata(**said), REMOTE) is None


def test_what_names_its_labels_needs_no_order() -> None:
    named = Remote(REMOTE.url, "m", THREE, (FEATURES,), "label", names_labels=True)
    assert order_of(metadata(labels=["z", "x", "y"]), named) is None


@pytest.mark.parametrize("labels", [["x", "y"], ["x", "y", "z", "w"], ["x", "x", "z"], ["X", "y", "z"]])
def test_other_labels_do_not_fit(labels: list[str]) -> None:
    assert "its labels are" in misfit_of(metadata(labels=labels), REMOTE)


def test_features_must_come_in_our_order_where_they_are_one_tensor() -> None:
    assert misfit_of(metadata(features=["a", "b"]), REMOTE) == ""
    assert "its features are, in order" in misfit_of(metadata(features=["b", "a"]), REMOTE)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"inputs": 1, "outputs": []}'])
def test_what_is_no_metadata_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not the metadata"):
        read_metadata(body)

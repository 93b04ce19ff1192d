"""ONNX models in sessions of their own."""

import numpy as np
import pytest

from models.errors import ModelFailed, RegistryError
from models.registry import Registry
from models.runtimes import load_contents
from models.types import TensorSpec, classifier

WRONG_NAME = classifier((TensorSpec("x", "FP32", (-1, 30)),), ("malignant", "benign"))


def contents(trained: Registry) -> bytes:
    return (trained.resolve("breast-cancer/logreg").folder / "model.onnx").read_bytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing_but_the_time(trained: Registry, threads: int) -> None:
    inputs = {"features": np.array(trained.manifest("breast-cancer/forest").examples, np.float32)}
    said = trained.load("breast-cancer/forest", threads=threads)(inputs)["probabilities"]
    assert np.array_equal(said, trained.load("breast-cancer/forest")(inputs)["probabilities"])


def test_numbers_are_cast_to_what_the_model_takes(trained: Registry) -> None:
    model, examples = trained.load("breast-cancer/mlp"), trained.manifest("breast-cancer/mlp").examples
    said = [model({"features": np.array(examples, kind)})["probabilities"] for kind in (np.float64, np.float32)]
    assert np.array_equal(said[0], said[1])


def test_too_few_columns_fail(trained: Registry) -> None:
    with pytest.raises(ModelFailed, match="Got: 29 Expected: 30"):
        trained.load("breast-cancer/logreg")({"features": np.ones((1, 29), np.float32)})


def test_what_is_no_onnx_is_refused() -> None:
    with pytest.raises(RegistryError, match="onnxruntime cannot load the model: InvalidProtobuf"):
        load_contents(b"no model", "onnx", WRONG_NAME)


def test_inputs_that_the_signature_does_not_name_are_refused(trained: Registry) -> None:
    with pytest.raises(RegistryError, match=r"takes \['features'\], its signature names \['x'\]"):
        load_contents(contents(trained), "onnx", WRONG_NAME)

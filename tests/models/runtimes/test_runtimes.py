"""What is imported to serve a model, and what happens when it fails."""

import json
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest

from models.errors import InvalidAnswer, ModelFailed
from models.registry import Registry
from models.runtimes.base import Trusted, matrix
from models.types import Array, TensorSpec, classifier

TWO = classifier((TensorSpec("features", "FP32", (-1, 1)),), ("a", "b"))

SERVE = """
import json, sys
from pathlib import Path
import numpy as np
from models.registry import Registry
model = Registry(Path(sys.argv[1])).load(sys.argv[2])
model({"features": np.ones((1, 30), np.float32)})
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.processes
@pytest.mark.parametrize("member", ["forest", "xgboost"])
def test_a_compiled_model_imports_none_of_what_fitted_it(trained: Registry, member: str) -> None:
    command = [sys.executable, "-c", SERVE, str(trained.path), f"breast-cancer/{member}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    assert "onnxruntime" in imported
    assert not imported & {
        "sklearn",
        "xgboost",
        "scipy",
        "skl2onnx",
        "onnxmltools",
        "onnx",
        "skops",
        "joblib",
        "aiohttp",
    }
    assert done.stderr == ""


def test_what_a_model_raises_is_one_line_of_ours() -> None:
    def failing(inputs: Mapping[str, Array], /) -> dict[str, Array]:
        raise MemoryError("no room\n  for this")

    with pytest.raises(ModelFailed, match=r"^MemoryError: no room for this$") as caught:
        Trusted(failing, TWO)({"features": np.ones((1, 1))})
    assert isinstance(caught.value.__cause__, MemoryError)


def test_what_a_model_says_is_checked_and_then_calibrated() -> None:
    said = {"probabilities": np.array([[0.2, 0.8]])}
    assert np.allclose(
        Trusted(lambda _: said, TWO, 2.0)({"features": np.ones((1, 1))})["probabilities"], [[1 / 3, 2 / 3]]
    )
    with pytest.raises(InvalidAnswer, match="shape"):
        Trusted(lambda _: said, TWO, 2.0)({"features": np.ones((2, 1))})


def test_inputs_are_laid_side_by_side_in_the_signatures_order() -> None:
    specs = (TensorSpec("b", "FP32", (-1, 1)), TensorSpec("a", "FP32", (-1, 2)))
    inputs = {"a": np.array([[1, 2]]), "b": np.array([[3]])}
    assert matrix(inputs, classifier(specs, ("x", "y"))).tolist() == [[3, 1, 2]]

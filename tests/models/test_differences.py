"""What sets two versions apart."""

import msgspec

from models.differences import differences
from models.manifest import Calibration, Compilation, Manifest
from models.types import TensorSpec, classifier

INPUTS = (TensorSpec("features", "FP32", (-1, 2), ("a", "b")),)
ONE = Manifest(
    "m",
    classifier(INPUTS, ("no", "yes")),
    "onnx",
    "model.onnx",
    "model.onnx",
    Compilation(True, True),
    version="1",
    calibration=Calibration(1.5),
    metrics={"accuracy": 0.9, "log_loss": 0.3},
)


def test_a_version_does_not_differ_from_itself_under_another_number() -> None:
    assert differences(ONE, msgspec.structs.replace(ONE, version="2", created="now", examples=[[1, 2]])) == []


def test_each_entry_that_differs_is_named_with_both_values() -> None:
    wider = (TensorSpec("features", "FP32", (-1, 2), ("a", "c")),)
    other = msgspec.structs.replace(
        ONE, signature=classifier(wider, ("no", "yes")), calibration=None, metrics={"accuracy": 0.8, "log_loss": 0.3}
    )
    found = {path: values for path, *values in differences(ONE, other)}
    assert found["metrics.accuracy"] == [0.9, 0.8]
    assert found["signature.inputs[features].features"] == [("a", "b"), ("a", "c")]
    assert found["calibration.temperature"] == [1.5, None]
    assert "metrics.log_loss" not in found

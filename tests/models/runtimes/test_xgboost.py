"""xgboost models from its own files."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from xgboost import XGBClassifier

from models.errors import ModelFailed, RegistryError
from models.registry import Registry
from models.runtimes import load_contents
from models.runtimes.xgboost import read_estimator
from models.types import TensorSpec, classifier

IRIS = classifier((TensorSpec("features", "FP32", (-1, 4)),), ("setosa", "versicolor", "virginica"))


def test_two_classes_are_two_columns(trained: Registry) -> None:
    version = trained.resolve("breast-cancer/xgboost")
    inputs = {"features": np.array(version.manifest.examples, np.float32)}
    contents = (version.folder / "original.ubj").read_bytes()
    said = load_contents(contents, "xgboost", version.manifest.signature, version.manifest.temperature)(inputs)
    assert np.abs(said["probabilities"] - trained.load("breast-cancer/xgboost")(inputs)["probabilities"]).max() < 1e-5


@pytest.mark.parametrize("suffix", ["ubj", "json"])
def test_both_formats_are_read_and_early_stopping_counts(tmp_path: Path, suffix: str) -> None:
    x, y = load_iris(return_X_y=True)
    estimator = XGBClassifier(n_estimators=200, learning_rate=1.0, early_stopping_rounds=2)
    estimator.fit(x[::2], y[::2], eval_set=[(x[1::2], y[1::2])], verbose=False)
    assert estimator.best_iteration < estimator.get_booster().num_boosted_rounds() - 1
    path = tmp_path / f"model.{suffix}"
    estimator.save_model(path)
    rows = x.astype(np.float32)
    said = load_contents(path.read_bytes(), "xgboost", IRIS)({"features": rows})["probabilities"]
    assert np.allclose(said, estimator.predict_proba(rows), atol=1e-6)
    again = read_estimator(path.read_bytes(), "classification")
    assert np.array_equal(again.predict_proba(rows), estimator.predict_proba(rows))


@pytest.mark.parametrize("contents", [b"", b"no model", b'{"learner": {}}', b"{L\x00"])
def test_what_is_no_model_is_refused(contents: bytes) -> None:
    with pytest.raises(RegistryError, match="no xgboost model"):
        load_contents(contents, "xgboost", IRIS)


def test_too_few_columns_fail(trained: Registry) -> None:
    version = trained.resolve("breast-cancer/xgboost")
    model = load_contents((version.folder / "original.ubj").read_bytes(), "xgboost", version.manifest.signature)
    with pytest.raises(ModelFailed, match="Feature shape mismatch"):
        model({"features": np.ones((1, 29), np.float32)})

"""Users' own estimators, from Python."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import LabelSpreading
from xgboost import XGBClassifier, XGBRegressor

from models.errors import RegistryError
from models.registration import shortest
from models.registry import Registry
from models.types import Array


def iris() -> tuple[Array, Array]:
    x, y = load_iris(return_X_y=True)
    return x.astype(np.float32), np.array(["setosa", "versicolor", "virginica"])[y]


def diabetes() -> tuple[Array, Array]:
    x, y = load_diabetes(return_X_y=True)
    return x.astype(np.float32), y


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def test_labels_are_the_estimators_classes_unless_given(registry: Registry) -> None:
    x, y = iris()
    estimator = LogisticRegression(max_iter=1000).fit(x[::2], y[::2])
    own = registry.register(estimator, "iris", x[1::2], y[1::2]).manifest
    assert own.signature.labels == ("setosa", "versicolor", "virginica")
    assert own.signature.features == ("f0", "f1", "f2", "f3")
    assert own.metrics["accuracy"] > 0.9
    assert own.calibration is None
    given = registry.register(estimator, "iris", x[1::2], labels=["s", "vc", "vg"], features=["a", "b", "c", "d"])
    assert (given.manifest.signature.labels, given.manifest.signature.features[0]) == (("s", "vc", "vg"), "a")
    assert given.manifest.metrics == {}


def test_labels_and_features_must_be_as_many_as_there_are(registry: Registry) -> None:
    x, y = iris()
    estimator = LogisticRegression(max_iter=1000).fit(x, y)
    with pytest.raises(ValueError, match="3 classes, but 2 labels"):
        registry.register(estimator, "iris", x, labels=["a", "b"])
    with pytest.raises(ValueError, match="4 columns, but 1 features"):
        registry.register(estimator, "iris", x, features=["a"])


def test_three_classes_of_xgboost_compile(registry: Registry) -> None:
    x, y = iris()
    targets = np.unique(y, return_inverse=True)[1]
    estimator = XGBClassifier(n_estimators=20, early_stopping_rounds=3)
    estimator.fit(x[::2], targets[::2], eval_set=[(x[1::2], targets[1::2])], verbose=False)
    version = registry.register(estimator, "iris", x[1::2], targets[1::2])
    said = registry.load("iris")({"features": x})["probabilities"]
    assert np.abs(said - estimator.predict_proba(x)).max() < 1e-5
    assert version.manifest.compilation.converted


@pytest.mark.parametrize("kind", [RandomForestRegressor, XGBRegressor])
def test_a_regression_says_one_number_per_row(registry: Registry, kind: type) -> None:
    x, y = diabetes()
    estimator = kind(n_estimators=20, random_state=7).fit(x[:300], y[:300])
    manifest = registry.register(estimator, "diabetes", x[300:], y[300:]).manifest
    assert (manifest.signature.task, manifest.runtime) == ("regression", "onnx")
    assert manifest.compilation.agrees
    assert 40 < manifest.metrics["rmse"] < 80
    said = registry.load("diabetes")({"features": x})["predictions"]
    assert np.allclose(said, registry.original("diabetes").predict(x), rtol=1e-5)


def test_what_does_not_convert_is_served_as_it_was_fitted(registry: Registry) -> None:
    x, y = iris()
    estimator = LabelSpreading().fit(x[::2], np.unique(y[::2], return_inverse=True)[1])
    manifest = registry.register(estimator, "iris", x[1::2]).manifest
    assert (manifest.runtime, manifest.artefact, list(manifest.files)) == ("sklearn", "model.skops", ["model.skops"])
    assert manifest.original == manifest.artefact
    assert manifest.compilation.reason.startswith("does not convert to ONNX: ")
    assert np.allclose(registry.load("iris")({"features": x})["probabilities"], estimator.predict_proba(x))


def test_what_converts_wrongly_is_served_as_it_was_fitted(registry: Registry) -> None:
    x, y = iris()
    estimator = make_pipeline(FunctionTransformer(np.sqrt), LogisticRegression(max_iter=1000)).fit(x, y)
    manifest = registry.register(estimator, "iris", x).manifest
    assert (manifest.runtime, manifest.compilation.agrees) == ("sklearn", False)
    assert manifest.compilation.reason


def test_a_model_that_gives_no_probabilities_is_refused_with_the_reason(registry: Registry) -> None:
    x, y = iris()
    with pytest.raises(RegistryError, match=r"iris cannot be served: AttributeError: .* 'predict_proba'"):
        registry.register(RidgeClassifier().fit(x, y), "iris", x)
    assert registry.names() == []


def test_a_model_with_code_of_its_own_is_refused_before_it_is_registered(registry: Registry) -> None:
    x, y = iris()
    estimator = make_pipeline(FunctionTransformer(shortest), LogisticRegression())
    estimator.steps[1][1].fit(x, y)
    with pytest.raises(RegistryError, match=r"types that are not trusted: models\.registration\.shortest"):
        registry.register(estimator, "iris", x)
    wrapped = CalibratedClassifierCV(XGBClassifier(n_estimators=2)).fit(x, np.unique(y, return_inverse=True)[1])
    with pytest.raises(RegistryError, match="xgboost"):
        registry.register(wrapped, "iris", x)
    assert registry.names() == []

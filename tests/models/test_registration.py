"""Users' own estimators, from Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped]  # it ships none
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.semi_supervised import LabelSpreading
from xgboost import XGBClassifier, XGBRegressor

from models.errors import RegistryError
from models.manifest import Manifest
from models.registry import Registry
from models.rows import inputs_of, shortest
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
    with pytest.raises(RegistryError, match=r"types that are not trusted: models\.rows\.shortest"):
        registry.register(estimator, "iris", x)
    wrapped = CalibratedClassifierCV(XGBClassifier(n_estimators=2)).fit(x, np.unique(y, return_inverse=True)[1])
    with pytest.raises(RegistryError, match="xgboost"):
        registry.register(wrapped, "iris", x)
    assert registry.names() == []


def patients() -> tuple[Array, Array]:
    """Age, sex, body mass index and blood pressure, of which a fifth is missing; was the disease worse than usual?"""
    raw = load_diabetes(scaled=False)
    table = raw.data[:, :4].astype(object)
    table[:, 0] = raw.data[:, 0].astype(int)
    table[:, 1] = np.where(raw.data[:, 1] == 1, "female", "male")
    table[::5, 3] = np.nan
    return table, np.where(raw.target > np.median(raw.target), "high", "low")


def encoded(numbers: object, words: object, *steps: object) -> ColumnTransformer:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepared = make_pipeline(*steps) if steps else "passthrough"
    return ColumnTransformer([("numbers", prepared, numbers), ("words", encoder, words)])


NAMES = ["age", "sex", "bmi", "bp"]
TYPED = [("age", "INT64", False), ("sex", "BYTES", False), ("bmi", "FP32", False), ("bp", "FP32", True)]


def kinds(manifest: Manifest) -> list[tuple[str, str, bool]]:
    return [(spec.name, spec.datatype, spec.nullable) for spec in manifest.signature.inputs]


@pytest.mark.parametrize("as_frame", [False, True], ids=["objects", "frame"])
def test_mixed_columns_with_missing_values_compile_and_agree(registry: Registry, as_frame: bool) -> None:
    table, y = patients()
    x = pandas.DataFrame(table, columns=NAMES).astype({"age": int, "bmi": float, "bp": float}) if as_frame else table
    columns = encoded(["age", "bmi", "bp"], ["sex"]) if as_frame else encoded([0, 2, 3], [1])
    estimator = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20)).fit(x[:300], y[:300])
    version = registry.register(estimator, "patients", x[300:], y[300:], features=() if as_frame else NAMES)
    assert kinds(version.manifest) == TYPED
    assert (version.manifest.runtime, version.manifest.compilation.agrees) == ("onnx", True)
    inputs = inputs_of(table.tolist(), version.manifest.signature.inputs)
    assert np.isnan(inputs["bp"]).sum() == 89
    exact: Any = x
    if as_frame:
        exact = exact.astype({"bmi": np.float32, "bp": np.float32})
    said = registry.load("patients")(inputs)["probabilities"]
    assert np.abs(said - estimator.predict_proba(exact)).max() < 1e-5
    assert version.manifest.examples[0][:2] == [53, "female"]
    assert any(example[3] is None for example in version.manifest.examples)


def test_integers_become_floats_where_that_alone_compiles(registry: Registry) -> None:
    table, y = patients()
    estimator = make_pipeline(encoded([0, 2, 3], [1], SimpleImputer(), StandardScaler()), LogisticRegression())
    manifest = registry.register(estimator.fit(table, y), "patients", table, y, features=NAMES).manifest
    assert kinds(manifest) == [("age", "FP32", False), *TYPED[1:]]
    assert manifest.runtime == "onnx"


@pytest.mark.parametrize("as_frame", [False, True], ids=["objects", "frame"])
def test_mixed_columns_that_do_not_compile_are_served_as_they_were_fitted(registry: Registry, as_frame: bool) -> None:
    table, y = patients()
    x = pandas.DataFrame(table, columns=NAMES).astype({"age": int, "bmi": float, "bp": float}) if as_frame else table
    columns = (["age", "bmi", "bp"], ["sex"]) if as_frame else ([0, 2, 3], [1])
    estimator = make_pipeline(encoded(*columns, SimpleImputer(), SplineTransformer(n_knots=3)), LogisticRegression())
    estimator.set_params(logisticregression__max_iter=5000).fit(x, y)
    manifest = registry.register(estimator, "patients", x, y, features=() if as_frame else NAMES).manifest
    assert (manifest.runtime, kinds(manifest)) == ("sklearn", TYPED)
    said = registry.load("patients")(inputs_of(table.tolist(), manifest.signature.inputs))["probabilities"]
    assert np.abs(said - estimator.predict_proba(x)).max() < 1e-5


def test_a_data_frame_of_numbers_alone_is_one_matrix(registry: Registry) -> None:
    table, y = patients()
    x = pandas.DataFrame(table[:, [0, 2, 3]].astype(float), columns=["age", "bmi", "bp"])
    manifest = registry.register(HistGradientBoostingClassifier(max_iter=5).fit(x, y), "patients", x, y).manifest
    assert kinds(manifest) == [("features", "FP32", True)]
    assert manifest.signature.features == ("age", "bmi", "bp")


def test_columns_by_name_come_apart_where_that_alone_compiles(registry: Registry) -> None:
    table, y = patients()
    x = pandas.DataFrame(table[:, [0, 2, 3]].astype(float), columns=["age", "bmi", "bp"])
    filled = ColumnTransformer([("fill", SimpleImputer(), ["bp"])], remainder="passthrough")
    estimator = make_pipeline(filled, RandomForestClassifier(10)).fit(x, y)
    manifest = registry.register(estimator, "patients", x, y).manifest
    assert (manifest.runtime, [kind[0] for kind in kinds(manifest)]) == ("onnx", ["age", "bmi", "bp"])


def test_missing_values_of_xgboost_compile_and_agree(registry: Registry) -> None:
    x, y = diabetes()
    x[::3, 2] = np.nan
    estimator = XGBRegressor(n_estimators=20).fit(x, y)
    manifest = registry.register(estimator, "diabetes", x, y).manifest
    assert (manifest.runtime, manifest.signature.inputs[0].nullable) == ("onnx", True)
    said = registry.load("diabetes")({"features": x})["predictions"]
    assert np.allclose(said, estimator.predict(x), rtol=1e-5)

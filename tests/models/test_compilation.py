"""Compiled models say what the originals say, and one that does not is found out."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from models.compilation import compiled, parity
from models.datasets import Split, dataset_called, split
from models.errors import ModelFailed
from models.registry import Registry
from models.training import members
from models.types import Array, TensorSpec, classifier, regressor

TWO = classifier((TensorSpec("features", "FP32", (-1, 30)),), ("malignant", "benign"))


@cache
def rows() -> Split:
    return split(dataset_called("breast-cancer"), seed=7)


def fitted(strength: float = 1.0) -> Any:
    return LogisticRegression(max_iter=10000, C=strength).fit(rows().x_train, rows().y_train)


def said_by(estimator: Any) -> dict[str, Array]:
    return {"probabilities": estimator.predict_proba(rows().x_test).astype(np.float64)}


class Said:
    """A model that says `probabilities` of the row that each feature names; of single rows with `single_change`."""

    def __init__(self, probabilities: Array, *, change: float = 0.0, single_change: float = 0.0) -> None:
        self.probabilities = probabilities
        self.change = change
        self.single_change = single_change

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        rows = inputs["features"][:, 0].astype(int)
        change = self.change if len(rows) > 1 else self.single_change
        return {"probabilities": self.probabilities[rows] + [change, -change]}


class Odd(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """An estimator that no converter knows."""


def held_out(*probabilities: list[float]) -> tuple[Array, dict[str, Array]]:
    return np.array(probabilities), {"features": np.arange(len(probabilities), dtype=np.float32)[:, None]}


@pytest.mark.parametrize("member", members("breast-cancer"))
def test_every_built_in_member_is_served_compiled(trained: Registry, member: str) -> None:
    manifest = trained.manifest(f"breast-cancer/{member}")
    assert (manifest.runtime, manifest.artefact) == ("onnx", "model.onnx")
    record = manifest.compilation
    assert (record.converted, record.agrees, record.rows, record.reason) == (True, True, 171, "")
    assert record.max_difference is not None
    assert record.max_difference <= 1e-5


def test_another_model_of_the_same_kind_is_found_out() -> None:
    right, wrong = fitted(), fitted(strength=1e-5)
    inputs = {"features": rows().x_test}
    assert compiled(right, said_by(right), TWO, inputs).contents
    result = compiled(wrong, said_by(right), TWO, inputs)
    assert result.contents is None
    assert result.record.converted
    assert "rows change their label" in result.record.reason


def test_a_nudge_to_the_original_is_found_out() -> None:
    estimator = fitted()
    expected = said_by(estimator)
    estimator.coef_ *= 1.001
    record = compiled(estimator, expected, TWO, {"features": rows().x_test}).record
    assert not record.agrees
    assert record.reason.startswith("converts, but differs from the original by 0.000")


def test_a_difference_in_single_rows_alone_is_found_out() -> None:
    said, inputs = held_out([0.2, 0.8], [0.6, 0.4])
    assert parity(Said(said), {"probabilities": said}, inputs).agrees
    record = parity(Said(said, single_change=2e-5), {"probabilities": said}, inputs)
    assert not record.agrees
    assert record.max_difference == pytest.approx(2e-5)


def test_a_difference_in_all_rows_at_once_alone_is_found_out() -> None:
    said, inputs = held_out([0.2, 0.8], [0.6, 0.4])
    assert not parity(Said(said, change=2e-5), {"probabilities": said}, inputs).agrees


def test_labels_that_all_but_tie_may_change_places() -> None:
    said, inputs = held_out([0.500001, 0.499999], [0.6, 0.4])
    assert parity(Said(said, change=-5e-6, single_change=-5e-6), {"probabilities": said}, inputs).agrees


def test_a_model_that_fails_when_called_does_not_agree() -> None:
    def failing(_: object) -> dict[str, Array]:
        raise ModelFailed("no such operator")

    said, inputs = held_out([0.2, 0.8])
    record = parity(failing, {"probabilities": said}, inputs)
    assert (record.converted, record.agrees) == (True, False)
    assert record.reason == "converts, but fails when it is called: no such operator"


def test_what_has_no_converter_says_so_in_one_line() -> None:
    result = compiled(Odd(), {}, TWO, {})
    assert result.contents is None
    assert not result.record.converted
    assert result.record.reason.startswith("does not convert to ONNX: ")
    assert "\n" not in result.record.reason


def test_a_regression_agrees_relative_to_its_size() -> None:
    x, y = load_diabetes(return_X_y=True)
    x = x.astype(np.float32)
    estimator = GradientBoostingRegressor(n_estimators=20, random_state=7).fit(x[:300], y[:300])
    signature = regressor((TensorSpec("features", "FP32", (-1, 10)),))
    expected = estimator.predict(x[300:])
    result = compiled(estimator, {"predictions": expected}, signature, {"features": x[300:]})
    assert result.contents
    off = compiled(estimator, {"predictions": expected * 1.0001}, signature, {"features": x[300:]})
    assert off.contents is None
    assert off.record.max_difference == pytest.approx(1e-4, rel=0.1)

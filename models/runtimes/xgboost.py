"""xgboost models, from its own UBJSON or JSON."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xgboost

from models.errors import RegistryError
from models.runtimes.base import matrix, one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, Task


class XgboostModel:
    """A booster; `threads` for one call. Its best iteration counts, where it was stopped early."""

    def __init__(self, contents: bytes, signature: Signature, threads: int) -> None:
        self._booster = _read(xgboost.Booster({"nthread": threads}), contents)
        self._booster.set_param({"nthread": threads})  # loading restores what the file says
        self._signature = signature
        best = self._booster.attr("best_iteration")
        self._iterations = (0, int(best) + 1 if best else 0)

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        rows = matrix(inputs, self._signature)
        scores = np.asarray(self._booster.inplace_predict(rows, iteration_range=self._iterations))
        if self._signature.task != "classification":
            return {PREDICTIONS: scores}
        # of two classes, xgboost gives the second one's probability alone
        return {PROBABILITIES: np.column_stack((1 - scores, scores)) if scores.ndim == 1 else scores}


def read_estimator(contents: bytes, task: Task) -> Any:
    """The estimator, in xgboost's scikit-learn dress.

    Raises:
        RegistryError: it is no xgboost model.
    """
    return _read(xgboost.XGBClassifier() if task == "classification" else xgboost.XGBRegressor(), contents)


def read_any(contents: bytes) -> Any:
    """The estimator in a file that does not come with a manifest: the model says what it is for.

    Raises:
        RegistryError: it is no xgboost model, or gives labels where probabilities are needed.
    """
    booster = _read(xgboost.Booster({"nthread": 1}), contents)
    objective = str(json.loads(booster.save_config())["learner"]["objective"]["name"])
    if objective in ("multi:softmax", "binary:hinge"):
        raise RegistryError(f"{objective} gives labels alone; train it with multi:softprob or binary:logistic")
    task: Task = "classification" if objective.startswith(("binary:", "multi:")) else "regression"
    return read_estimator(contents, task)


def _read(model: Any, contents: bytes) -> Any:
    if not contents:  # at which xgboost would end the process
        raise RegistryError("no xgboost model that can be loaded: the file is empty")
    try:
        model.load_model(bytearray(contents))
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise RegistryError(f"no xgboost model that can be loaded: {one_line(error)}") from error
    return model

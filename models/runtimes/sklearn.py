"""scikit-learn models from skops files, which name the types they hold; never from a pickle, which can run anything.

An estimator is asked as it was fitted: on a matrix, on an array of objects where columns have types of their own, or on
a data frame, which takes pandas. Nothing else here needs pandas.
"""

import pydoc
from collections.abc import Mapping
from typing import Any

import numpy as np
import skops.io

from models.errors import RegistryError
from models.runtimes.base import matrix, one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature

TRUSTED = ("sklearn.", "numpy.", "scipy.")
HARMLESS = frozenset({"scipy._lib.array_api_compat.numpy._aliases.asarray"})  # what a fitted SplineTransformer holds


class SklearnModel:
    """An estimator of scikit-learn; `threads` is its `n_jobs`."""

    def __init__(self, contents: bytes, signature: Signature, threads: int) -> None:
        self._estimator = read_estimator(contents)
        self._signature = signature
        self._frame = _frame_type(self._estimator)
        names = [name for name in self._estimator.get_params() if name.split("__")[-1] == "n_jobs"]
        self._estimator.set_params(**dict.fromkeys(names, threads))

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        rows = self._table(inputs)
        if self._signature.task == "transform":
            columns = self._estimator.transform(rows)
            return {self._signature.outputs[0].name: columns.toarray() if hasattr(columns, "toarray") else columns}
        if self._signature.task == "classification":
            return {PROBABILITIES: self._estimator.predict_proba(rows)}
        return {PREDICTIONS: self._estimator.predict(rows)}

    def _table(self, inputs: Mapping[str, Array]) -> Any:
        """The inputs side by side, in the signature's order."""
        specs = self._signature.inputs
        if self._frame is not None:
            columns = [inputs[spec.name][:, at] for spec in specs for at in range(spec.shape[1])]
            return self._frame(dict(zip(self._estimator.feature_names_in_, columns, strict=True)))
        if all(spec.datatype != "BYTES" for spec in specs):
            return matrix(inputs, self._signature)
        return np.concatenate([np.asarray(inputs[spec.name], object) for spec in specs], axis=1)


def _frame_type(estimator: Any) -> Any:
    """pandas' data frame, if that is what `estimator` was fitted on and pandas is here."""
    if not hasattr(estimator, "feature_names_in_"):
        return None
    try:
        import pandas  # type: ignore[import-untyped]  # it ships none
    except ImportError:
        return None  # an estimator that does not look at the names works all the same; others say that they need them
    return pandas.DataFrame


def read_estimator(contents: bytes) -> Any:
    """The estimator in a skops file.

    Raises:
        RegistryError: it is no skops file, or holds a type that is not trusted.
    """
    try:
        unknown = skops.io.get_untrusted_types(data=contents)
        refused = [name for name in unknown if not _trusted(name)]
        estimator = None if refused else skops.io.loads(contents, trusted=unknown)
    except Exception as error:  # a damaged archive raises anything
        raise RegistryError(f"no skops file that can be loaded: {one_line(error)}") from error
    if refused:
        raise RegistryError(f"the file holds types that are not trusted: {', '.join(refused)}")
    return estimator


def _trusted(name: str) -> bool:
    """Whether `name` is a class of the libraries: their functions can do more than a model needs."""
    return name in HARMLESS or (name.startswith(TRUSTED) and isinstance(pydoc.locate(name), type))

"""scikit-learn models from skops files, which name the types they hold; never from a pickle, which can run anything."""

import pydoc
from collections.abc import Mapping
from typing import Any

import skops.io

from models.errors import RegistryError
from models.runtimes.base import matrix, one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature

TRUSTED = ("sklearn.", "numpy.", "scipy.")


class SklearnModel:
    """An estimator of scikit-learn; `threads` is its `n_jobs`."""

    def __init__(self, contents: bytes, signature: Signature, threads: int) -> None:
        self._estimator = read_estimator(contents)
        self._signature = signature
        names = [name for name in self._estimator.get_params() if name.split("__")[-1] == "n_jobs"]
        self._estimator.set_params(**dict.fromkeys(names, threads))

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        rows = matrix(inputs, self._signature)
        if self._signature.task == "classification":
            return {PROBABILITIES: self._estimator.predict_proba(rows)}
        return {PREDICTIONS: self._estimator.predict(rows)}


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
    return name.startswith(TRUSTED) and isinstance(pydoc.locate(name), type)

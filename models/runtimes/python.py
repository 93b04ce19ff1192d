"""A user's own Python function as a model: `pkg.mod:function`.

It is called with the columns by feature name, each an array (n,), and returns for each row its label, or its
probabilities (n, k), or, of a regression, a number. What is named may be a class, too: it is made once, without
arguments, and its instance is called; what it needs, it loads then.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import RegistryError
from models.names import no_such
from models.runtimes.base import Model, Trusted, one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature

Columns = dict[str, Array]


class PythonModel:
    """A function, asked as a model is."""

    def __init__(self, function: Callable[[Columns], Any], signature: Signature) -> None:
        self._function = function
        self._signature = signature
        self._labels = np.array(signature.labels, object)

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        said = np.asarray(self._function(self._columns(inputs)))
        if not len(self._labels):
            return {PREDICTIONS: said}
        return {PROBABILITIES: self._certain(said) if said.ndim == 1 and said.dtype.kind in "OUT" else said}

    def _columns(self, inputs: Mapping[str, Array]) -> Columns:
        return {
            feature: inputs[spec.name][:, at]
            for spec in self._signature.inputs
            for at, feature in enumerate(spec.features)
        }

    def _certain(self, labels: Array) -> Array:
        """One label a row (n,) as probabilities (n, k)."""
        found = labels[:, None] == self._labels
        if not found.any(axis=1).all():
            unknown = labels[int(found.any(axis=1).argmin())]
            raise ValueError(no_such("label", str(unknown)[:64], self._signature.labels))
        certain: Array = found.astype(np.float64)
        return certain


def load_python(name: str, folder: Path, signature: Signature, temperature: float | None = None) -> Model:
    """The model that `name`, `pkg.mod:function`, is when Python looks in `folder` first.

    Raises:
        RegistryError: it cannot be imported, or not called.
    """
    return Trusted(PythonModel(_imported(name, folder), signature), signature, temperature)


def fingerprint(name: str, folder: Path) -> str:
    """A fingerprint of the file that `name` is in; 0 if it is not in `folder`. Nothing is imported."""
    stem = folder.joinpath(*name.partition(":")[0].split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.is_file():
            return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return "0"


def _imported(name: str, folder: Path) -> Callable[[Columns], Any]:
    module_name, _, attribute = name.partition(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        module = importlib.import_module(module_name)
        found = getattr(module, attribute, None)
        made = found() if isinstance(found, type) else found
    except (Exception, SystemExit) as error:  # it is the user's code, which may do anything
        raise RegistryError(f"cannot import {name} from {folder}: {one_line(error)}{_hint(module_name)}") from error
    if found is None:
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise RegistryError(f"{module_name}, in {folder}: {no_such('function', attribute, names)}")
    if not callable(made) or inspect.iscoroutinefunction(made):
        raise RegistryError(f"{name} is no function that can be called with columns, but {type(made).__name__}")
    return made  # type: ignore[no-any-return]  # whatever it is, it can be called


def _hint(module: str) -> str:
    taken = module.partition(".")[0] in ("models", "backends", "aggregator", "server")
    return "; Chorus itself has a package of this name, so choose another" if taken else ""

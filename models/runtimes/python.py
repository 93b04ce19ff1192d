"""A user's own Python function as a model: `pkg.mod:function`.

It is called with the columns by feature name, each an array (n,), and returns for each row its label, or its
probabilities (n, k), or, of a regression, a number; of a transform its outputs by name, or all columns as one array.
What is named may be a class, too: it is made once, without arguments, and its instance is called; what it needs, it
loads then.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import RegistryError
from models.names import no_such
from models.runtimes.base import Model, Trusted, one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, TensorSpec

Columns = dict[str, Array]


class PythonModel:
    """A function, asked as a model is."""

    def __init__(self, function: Callable[[Columns], Any], signature: Signature) -> None:
        self._function = function
        self._signature = signature
        self._labels = np.array(signature.labels, object)

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        answer = self._function(self._columns(inputs))
        if self._signature.task == "transform":
            return outputs_of(answer, self._signature.outputs)
        said = np.asarray(answer)
        if not len(self._labels):
            return {PREDICTIONS: said}
        return {PROBABILITIES: self._certain(said) if said.ndim == 1 and said.dtype.kind in "OUT" else said}

    def _columns(self, inputs: Mapping[str, Array]) -> Columns:
        columns: Columns = {}
        for spec in self._signature.inputs:
            if spec.features:
                columns |= {feature: inputs[spec.name][:, at] for at, feature in enumerate(spec.features)}
            else:
                columns[spec.name] = inputs[spec.name]
        return columns

    def _certain(self, labels: Array) -> Array:
        """One label a row (n,) as probabilities (n, k)."""
        found = labels[:, None] == self._labels
        if not found.any(axis=1).all():
            unknown = labels[int(found.any(axis=1).argmin())]
            raise ValueError(no_such("label", str(unknown)[:64], self._signature.labels))
        certain: Array = found.astype(np.float64)
        return certain


def outputs_of(said: Any, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """What a transform `said` as the tensors of `specs`: a mapping of columns or tensors, or all columns as one array.

    Raises:
        ValueError: it is neither, or lacks one.
    """
    if not isinstance(said, Mapping):
        said = _by_name(np.asarray(said), specs)
    return {spec.name: _tensor(said, spec) for spec in specs}


def _by_name(said: Array, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    names = [name for spec in specs for name in (spec.features or (spec.name,))]
    if len(names) == 1:
        return {names[0]: said}
    if said.ndim != 2 or said.shape[1] != len(names) or not all(spec.features for spec in specs):
        raise ValueError(f"expected a mapping of {', '.join(names)}, or a column for each; got the shape {said.shape}")
    return {name: said[:, at] for at, name in enumerate(names)}


def _tensor(said: Mapping[str, Any], spec: TensorSpec) -> Array:
    if not spec.features:
        return _present(said, spec.name)
    return np.stack([_present(said, feature).reshape(-1) for feature in spec.features], axis=1)


def _present(said: Mapping[str, Any], name: str) -> Array:
    if name not in said:
        raise ValueError(no_such("output", name, list(said)))
    return np.asarray(said[name])


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

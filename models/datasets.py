"""The built-in data sets: real, small, and shipped with scikit-learn, so that nothing is downloaded."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.errors import UnknownName
from models.names import no_such
from models.types import Array, Task


@dataclass(frozen=True, slots=True)
class Dataset:
    """`x` (n, f) float32; `y` (n,) label indices, or numbers for a regression."""

    name: str
    task: Task
    x: Array
    y: Array
    features: tuple[str, ...]
    labels: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of everything that a model could learn from it."""
        digest = hashlib.sha256(repr((self.name, self.task, self.features, self.labels, self.x.shape)).encode())
        digest.update(self.x.astype("<f4").tobytes())
        digest.update(self.y.astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Split:
    """A data set's rows, once to learn from and once to judge by. `how` says which are which."""

    x_train: Array
    x_test: Array
    y_train: Array
    y_test: Array
    how: str

    @property
    def rows(self) -> dict[str, int]:
        return {"train": len(self.x_train), "test": len(self.x_test)}


def split(dataset: Dataset, seed: int, test_share: float = 0.3) -> Split:
    """The split of `seed`; of a classification with the same share of each label on both sides."""
    from sklearn.model_selection import train_test_split

    stratify = dataset.y if dataset.task == "classification" else None
    x_train, x_test, y_train, y_test = train_test_split(
        dataset.x, dataset.y, test_size=test_share, stratify=stratify, random_state=seed
    )
    how = f"{1 - test_share:.0%} train, {test_share:.0%} test, {'stratified' if dataset.labels else 'shuffled'}"
    return Split(x_train, x_test, y_train, y_test, how)


def _classification(name: str, bunch: Any) -> Dataset:
    return Dataset(
        name,
        "classification",
        bunch.data.astype(np.float32),
        bunch.target.astype(np.int64),
        tuple(map(str, bunch.feature_names)),
        tuple(map(str, bunch.target_names)),
    )


def _breast_cancer(name: str) -> Dataset:
    from sklearn.datasets import load_breast_cancer

    return _classification(name, load_breast_cancer())


def _digits(name: str) -> Dataset:
    from sklearn.datasets import load_digits

    return _classification(name, load_digits())


def _diabetes(name: str) -> Dataset:
    """In the units that were measured, as a user would ask: scikit-learn's default is scaled over all rows."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    features = tuple(map(str, bunch.feature_names))
    return Dataset(name, "regression", bunch.data.astype(np.float32), bunch.target.astype(np.float64), features)


DATASETS: Mapping[str, Callable[[str], Dataset]] = {
    "breast-cancer": _breast_cancer,
    "digits": _digits,
    "diabetes": _diabetes,
}


def dataset_called(name: str) -> Dataset:
    """The built-in data set `name`.

    Raises:
        UnknownName: there is none, with the names that there are.
    """
    if name not in DATASETS:
        raise UnknownName(no_such("data set", name, DATASETS))
    return DATASETS[name](name)

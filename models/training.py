"""Fits the built-in members on a built-in data set, calibrates them, and registers them."""

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any, Literal

from models.calibration import fit_temperature
from models.datasets import Dataset, Split, dataset_called, split
from models.errors import UnknownName
from models.estimators import ESTIMATORS, parameters_of
from models.manifest import Calibration, Training
from models.names import no_such
from models.provenance import command, libraries, revision
from models.registry import Registry, Version
from models.types import Array

SEED = 7
FOLDS = 5

Step = Literal["calibrate", "fit", "register", "done"]
Progress = Callable[[str, Step], None]
"""Called with a member's name and the step that begins."""


def members(dataset: str) -> list[str]:
    """The members that `train` would fit. Raises as `train`."""
    return list(ESTIMATORS[dataset_called(dataset).name])


def train(
    dataset: str,
    registry: Registry,
    progress: Progress = lambda member, step: None,
    *,
    only: Collection[str] = (),
    seed: int = SEED,
) -> list[Version]:
    """Fit all members, or `only` some, and register each as `<dataset>/<member>`. The same seed gives the same models.

    Raises:
        UnknownName: no such data set or member.
    """
    data = dataset_called(dataset)
    makers = ESTIMATORS[data.name]
    for member in only:
        if member not in makers:
            raise UnknownName(no_such(f"member of {dataset}", member, makers))
    rows = split(data, seed)
    chosen = [member for member in makers if not only or member in only]
    with _one_thread():
        return [_train(member, makers[member](seed), data, rows, registry, progress, seed) for member in chosen]


def _one_thread() -> AbstractContextManager[Any]:
    """Fit on one thread: for so few rows more cost more than they do, and sums would depend on how many there are."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own; it ships no types

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def _train(
    member: str, estimator: Any, data: Dataset, rows: Split, registry: Registry, progress: Progress, seed: int
) -> Version:
    began = time.perf_counter()
    progress(member, "calibrate")
    calibration = _calibration(estimator, rows, seed) if data.task == "classification" else None
    progress(member, "fit")
    estimator.fit(rows.x_train, rows.y_train)
    record = _record(estimator, data, rows, seed, time.perf_counter() - began)
    progress(member, "register")
    version = registry.register(
        estimator,
        f"{data.name}/{member}",
        rows.x_test,
        rows.y_test,
        labels=data.labels,
        features=data.features,
        calibration=calibration,
        training=record,
    )
    progress(member, "done")
    return version


def _calibration(estimator: Any, rows: Split, seed: int) -> Calibration:
    fitted = fit_temperature(_out_of_fold(estimator, rows, seed), rows.y_train)
    return Calibration(
        fitted.value,
        fitted.at_bound,
        split=f"out-of-fold, {FOLDS} folds of the training rows",
        log_loss_before=fitted.loss_before,
        log_loss_after=fitted.loss_after,
    )


def _out_of_fold(estimator: Any, rows: Split, seed: int) -> Array:
    """Probabilities (n, k) of each training row by a model that has not seen it."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    said: Array = cross_val_predict(estimator, rows.x_train, rows.y_train, cv=folds, method="predict_proba")
    return said


def _record(estimator: Any, data: Dataset, rows: Split, seed: int, seconds: float) -> Training:
    return Training(
        dataset=data.name,
        dataset_sha256=data.sha256,
        rows=rows.rows,
        split=rows.how,
        parameters=parameters_of(estimator),
        seed=seed,
        libraries=libraries(),
        revision=revision(),
        command=command(),
        seconds=round(seconds, 3),
    )

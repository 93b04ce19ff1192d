"""A fitted estimator, made ready for the registry: saved in a safe format, compiled, compared, described."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.calibration import log_loss
from models.columns import INPUT as INPUT
from models.columns import Layout, layouts_of
from models.compilation import Compiled, compiled, of_xgboost
from models.errors import BackendError, RegistryError
from models.manifest import RUNTIMES, Calibration, Manifest, Training
from models.rows import row_of
from models.runtimes import Model, load_contents
from models.runtimes.base import one_line
from models.transforms import columns_out, is_transformer
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, classifier, regressor, transformer

EXAMPLES = 3
MAX_PARITY_ROWS = 1000  # one row at a time, so that more would take seconds


class Unservable(RegistryError):
    """A model that gave no answer, or nonsense, for the rows that it was tried on."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An estimator, and the file that it was or will be saved in."""

    estimator: Any
    contents: bytes
    suffix: str


def packaged(
    estimator: Any,
    name: str,
    x: Any,
    y: Any = None,
    *,
    labels: Sequence[str] = (),
    features: Sequence[str] = (),
    outputs: Sequence[str] = (),
    nullable: bool = False,
    calibration: Calibration | None = None,
    training: Training | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a fitted `estimator`, yet without version and hashes, and its files.

    `x` (n, f) and `y` (n,) are rows that it was not fitted on: `x` to compare the compiled model with the original,
    `y`, if given, in the estimator's own classes, for the metrics. `x` may be a matrix, an array of objects or a data
    frame; its columns say what the model takes. `labels` name the classes in their order, `outputs` the columns of a
    transformer that does not name them itself. `nullable`: NaN is a missing value, even though `x` has none.

    Raises:
        RegistryError: it cannot be saved in a safe format, loaded again, and called.
        ValueError: `x`, `labels` or `features` do not fit it or each other.
    """
    layouts = layouts_of(x, features, nullable=nullable)
    fitted = Fitted(estimator, *saved(estimator))
    targets = None if y is None or is_transformer(estimator) else _targets(estimator, y)
    return of_layouts(
        fitted, name, layouts, targets, labels=labels, outputs=outputs, calibration=calibration, training=training
    )


def of_layouts(
    fitted: Fitted,
    name: str,
    layouts: Sequence[Layout],
    targets: Array | None,
    *,
    labels: Sequence[str] = (),
    outputs: Sequence[str] = (),
    calibration: Calibration | None = None,
    training: Training | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """As `packaged`, in the first of `layouts` in which the model compiles, else in the first. `targets`: indices."""
    temperature = calibration.temperature if calibration else None
    attempts = []
    for specs, inputs in layouts:
        signature = _signature(fitted.estimator, specs, labels, outputs)
        original = load_contents(fitted.contents, RUNTIMES[fitted.suffix], signature, temperature)
        expected = said_of(original, name, inputs)
        result = compiled(fitted.estimator, _first(expected), signature, _first(inputs), temperature)
        attempts.append((result, signature, inputs, expected))
        if result.contents is not None:
            break
    result, signature, inputs, expected = attempts[-1] if attempts[-1][0].contents is not None else attempts[0]
    files = _files(fitted, result)
    manifest = Manifest(
        name=name,
        signature=signature,
        runtime=RUNTIMES[fitted.suffix if result.contents is None else ".onnx"],
        artefact=next(file for file in files if file.startswith("model.")),
        original=next(iter(files)),
        compilation=result.record,
        calibration=calibration,
        training=training,
        metrics={} if targets is None else metrics_of(expected, targets),
        examples=examples_of(inputs, targets),
    )
    return manifest, files


def saved(estimator: Any) -> tuple[bytes, str]:
    """The estimator as the contents of a file, and its suffix: `.ubj` or `.skops`.

    Raises:
        RegistryError: it holds what skops cannot save.
    """
    if of_xgboost(estimator):
        with tempfile.TemporaryDirectory() as folder:  # xgboost writes its estimators to files alone
            path = Path(folder, "model.ubj")
            estimator.save_model(path)
            return path.read_bytes(), ".ubj"
    import skops.io

    try:
        return bytes(skops.io.dumps(estimator)), ".skops"
    except Exception as error:  # skops passes on what the estimator's own parts raise
        raise RegistryError(f"cannot be saved as skops: {one_line(error)}") from error


def said_of(model: Model, name: str, inputs: dict[str, Array]) -> dict[str, Array]:
    """What `model` says of `inputs`.

    Raises:
        Unservable: nothing, or nonsense.
    """
    try:
        return model(inputs)
    except BackendError as error:
        raise Unservable(f"{name} cannot be served: {error}") from error


def examples_of(inputs: dict[str, Array], targets: Array | None) -> list[list[Any]]:
    """The first rows, of different labels as far as there are."""
    firsts = [] if targets is None else sorted(np.unique(targets, return_index=True)[1].tolist())
    count = len(next(iter(inputs.values())))
    rows = [*firsts, *(row for row in range(min(EXAMPLES, count)) if row not in firsts)][:EXAMPLES]
    return [row_of(inputs, row) for row in rows]


def metrics_of(said: dict[str, Array], y: Array) -> dict[str, float]:
    """How well what was `said` fits the truth `y` (n,): label indices, or numbers."""
    if PROBABILITIES in said:
        accuracy = float((said[PROBABILITIES].argmax(axis=1) == y).mean())
        return {"accuracy": accuracy, "log_loss": log_loss(said[PROBABILITIES], y)}
    errors = said[PREDICTIONS] - y
    spread = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((errors**2).sum()) / spread if spread else 0.0  # of equal numbers nothing can be explained
    return {"rmse": float(np.sqrt((errors**2).mean())), "mae": float(np.abs(errors).mean()), "r2": r2}


def _first(inputs: dict[str, Array]) -> dict[str, Array]:
    return {name: array[:MAX_PARITY_ROWS] for name, array in inputs.items()}


def _files(fitted: Fitted, result: Compiled) -> dict[str, bytes]:
    """The original first. What is served is called `model`."""
    if result.contents is None:
        return {f"model{fitted.suffix}": fitted.contents}
    return {f"original{fitted.suffix}": fitted.contents, "model.onnx": result.contents}


def _signature(estimator: Any, specs: Any, labels: Sequence[str], outputs: Sequence[str]) -> Signature:
    if is_transformer(estimator):
        return transformer(specs, columns_out(estimator, specs, outputs))
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return regressor(specs)
    names = list(labels) or [str(label) for label in classes]
    if len(names) != len(classes):
        raise ValueError(f"{len(classes)} classes, but {len(names)} labels: {names}")
    return classifier(specs, tuple(names))


def _targets(estimator: Any, y: Any) -> Array:
    """`y` as label indices (n,) int64, or as it is for a regression."""
    classes = getattr(estimator, "classes_", None)
    return np.asarray(y) if classes is None else np.searchsorted(classes, y)

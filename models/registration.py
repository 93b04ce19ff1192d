"""A fitted estimator, made ready for the registry: saved in a safe format, compiled, compared, described."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.calibration import log_loss
from models.compilation import compiled, of_xgboost
from models.errors import BackendError, RegistryError
from models.manifest import RUNTIMES, Calibration, Manifest, Training
from models.runtimes import Model, load_contents
from models.runtimes.base import one_line
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, TensorSpec, classifier, regressor

EXAMPLES = 3
INPUT = "features"


def packaged(
    estimator: Any,
    name: str,
    x: Any,
    y: Any = None,
    *,
    labels: Sequence[str] = (),
    features: Sequence[str] = (),
    nullable: bool = False,
    calibration: Calibration | None = None,
    training: Training | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a fitted `estimator`, yet without version and hashes, and its files.

    `x` (n, f) and `y` (n,) are rows that it was not fitted on: `x` to compare the compiled model with the original,
    `y`, if given, in the estimator's own classes, for the metrics. `labels` name its classes in their order.
    `nullable`: NaN is a missing value.

    Raises:
        RegistryError: it cannot be saved in a safe format, loaded again, and called.
    """
    signature = _signature(estimator, x, labels, features, nullable)
    inputs = {INPUT: np.ascontiguousarray(x, dtype=np.float32)}
    temperature = calibration.temperature if calibration else None
    contents, suffix = saved(estimator)
    original = load_contents(contents, RUNTIMES[suffix], signature, temperature)
    expected = _expected(original, name, inputs)
    result = compiled(estimator, expected, signature, inputs, temperature)
    files = _files(contents, suffix, result.contents)
    targets = None if y is None else _targets(estimator, y)
    manifest = Manifest(
        name=name,
        signature=signature,
        runtime=RUNTIMES[suffix if result.contents is None else ".onnx"],
        artefact=next(file for file in files if file.startswith("model.")),
        original=next(iter(files)),
        compilation=result.record,
        calibration=calibration,
        training=training,
        metrics={} if targets is None else _metrics(expected, targets),
        examples=_examples(inputs[INPUT], targets),
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


def _files(original: bytes, suffix: str, onnx: bytes | None) -> dict[str, bytes]:
    """The original first. What is served is called `model`."""
    return {f"model{suffix}": original} if onnx is None else {f"original{suffix}": original, "model.onnx": onnx}


def _expected(original: Model, name: str, inputs: dict[str, Array]) -> dict[str, Array]:
    try:
        return original(inputs)
    except BackendError as error:
        raise RegistryError(f"{name} cannot be served: {error}") from error


def _examples(x: Array, targets: Array | None) -> list[list[float]]:
    """The first rows, of different labels as far as there are."""
    firsts = [] if targets is None else sorted(np.unique(targets, return_index=True)[1].tolist())
    rows = [*firsts, *(row for row in range(min(EXAMPLES, len(x))) if row not in firsts)][:EXAMPLES]
    return [[shortest(value) for value in x[row]] for row in rows]


def shortest(value: np.float32) -> float:
    """The shortest decimal that is this float32 again: 17.99, not 17.989999771118164."""
    return float(str(value))


def _signature(estimator: Any, x: Any, labels: Sequence[str], features: Sequence[str], nullable: bool) -> Signature:
    width = np.shape(x)[1]
    names = list(features) or list(getattr(x, "columns", ())) or [f"f{column}" for column in range(width)]
    if len(names) != width:
        raise ValueError(f"{width} columns, but {len(names)} features: {names}")
    inputs = (TensorSpec(INPUT, "FP32", (-1, width), tuple(map(str, names)), nullable),)
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return regressor(inputs)
    names = list(labels) or [str(label) for label in classes]
    if len(names) != len(classes):
        raise ValueError(f"{len(classes)} classes, but {len(names)} labels: {names}")
    return classifier(inputs, tuple(names))


def _targets(estimator: Any, y: Any) -> Array:
    """`y` as label indices (n,) int64, or as it is for a regression."""
    classes = getattr(estimator, "classes_", None)
    return np.asarray(y) if classes is None else np.searchsorted(classes, y)


def _metrics(said: dict[str, Array], y: Array) -> dict[str, float]:
    """How well what was `said` fits the truth `y` (n,)."""
    if PROBABILITIES in said:
        accuracy = float((said[PROBABILITIES].argmax(axis=1) == y).mean())
        return {"accuracy": accuracy, "log_loss": log_loss(said[PROBABILITIES], y)}
    errors = said[PREDICTIONS] - y
    r2 = 1 - float((errors**2).sum() / ((y - y.mean()) ** 2).sum())
    return {"rmse": float(np.sqrt((errors**2).mean())), "mae": float(np.abs(errors).mean()), "r2": r2}

"""From a file that someone brings to a version for the registry: what it takes and gives, and the proof that it does.

Run in quarantine: see `models.quarantine`. A file says what it can by itself; the rest is the user's word for it.
"""

from pathlib import Path
from typing import Any

import msgspec

from models.columns import Layout, specs_of, split_feature
from models.compilation import parity
from models.csv_rows import CsvRows, read_csv
from models.errors import RegistryError
from models.formats import check_format
from models.manifest import RUNTIMES, Calibration, Compilation, Manifest
from models.registration import MAX_PARITY_ROWS, Fitted, Unservable, examples_of, metrics_of, of_layouts, said_of
from models.rows import generated
from models.runtimes import load_contents
from models.transforms import columns_out, is_transformer
from models.types import Array, Signature, Task, TensorSpec, classifier, regressor, transformer


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """A model to be registered as `name`: its `file`, and what its owner says of it; `check` is a CSV of rows."""

    name: str
    file: str
    labels: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    """Each `name`, or `name:DATATYPE`."""
    outputs: tuple[str, ...] = ()
    """The names of the columns that a transform gives, where it does not name them itself."""
    task: Task | None = None
    nullable: bool = False
    temperature: float | None = None
    check: str | None = None


def admitted(application: Application) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the files of the model, tried on the rows of `check` or on generated ones.

    Raises:
        RegistryError, ValueError: it cannot be served, or does not fit what is said of it.
    """
    path = Path(application.file)
    contents = path.read_bytes()
    check_format(path.name, contents)
    rows = _rows(application.check)
    try:
        if path.suffix == ".onnx":
            return _admitted_onnx(application, contents, rows)
        return _admitted_estimator(application, contents, path.suffix, rows)
    except Unservable as error:
        hint = "" if rows else "; it was tried on generated rows, so try it on yours: --check rows.csv"
        raise RegistryError(f"{error}{hint}") from error


def _rows(check: str | None) -> CsvRows | None:
    return None if check is None else read_csv(Path(check).name, Path(check).read_bytes())


def _admitted_onnx(
    application: Application, contents: bytes, rows: CsvRows | None
) -> tuple[Manifest, dict[str, bytes]]:
    from models.runtimes.onnx_signature import signature_of

    names = [name for name, _ in map(split_feature, application.features)] or _header(rows)
    signature = signature_of(
        contents,
        names,
        application.labels,
        application.task,
        nullable=application.nullable,
        outputs=application.outputs,
    )
    model = load_contents(contents, "onnx", signature, application.temperature)
    inputs = rows.inputs(signature.inputs) if rows else generated(signature.inputs)
    said = said_of(model, application.name, inputs)
    first = {name: array[:MAX_PARITY_ROWS] for name, array in inputs.items()}
    record = parity(model, {name: array[:MAX_PARITY_ROWS] for name, array in said.items()}, first)
    if not record.agrees:
        raise RegistryError(f"{application.name} cannot be served: one row at a time it says something else")
    targets = _targets(rows, signature)
    manifest = Manifest(
        name=application.name,
        signature=signature,
        runtime="onnx",
        artefact="model.onnx",
        original="model.onnx",
        compilation=Compilation(converted=False, reason="it came as ONNX"),
        calibration=_calibration(application, signature),
        metrics={} if targets is None else metrics_of(said, targets),
        metrics_split=rows.file if rows else "none",
        examples=examples_of(inputs, targets),
    )
    return manifest, {"model.onnx": contents}


def _admitted_estimator(
    application: Application, contents: bytes, suffix: str, rows: CsvRows | None
) -> tuple[Manifest, dict[str, bytes]]:
    fitted = Fitted(_estimator(contents, suffix, application.file), contents, suffix)
    signature = _described(fitted.estimator, application, _specs(fitted.estimator, application, rows))
    layouts = [_layout(specs, rows) for specs in _alternatives(signature.inputs)]
    targets = _targets(rows, signature)
    manifest, files = of_layouts(
        fitted,
        application.name,
        layouts,
        targets,
        labels=signature.labels,
        outputs=application.outputs,
        calibration=_calibration(application, signature),
    )
    return msgspec.structs.replace(manifest, metrics_split=rows.file if rows else "none"), files


def _estimator(contents: bytes, suffix: str, file: str) -> Any:
    if RUNTIMES[suffix] == "xgboost":
        from models.runtimes.xgboost import read_any

        return read_any(contents)
    from models.runtimes.sklearn import read_estimator

    estimator = read_estimator(contents)
    if not (hasattr(estimator, "predict") or is_transformer(estimator)):
        raise RegistryError(f"{file} holds {type(estimator).__name__}, which neither predicts nor transforms")
    return estimator


def _specs(estimator: Any, application: Application, rows: CsvRows | None) -> tuple[TensorSpec, ...]:
    """One float32 matrix, or a tensor (-1, 1) for each column where one holds strings or has a datatype of its own."""
    width = getattr(estimator, "n_features_in_", None)
    said = dict(map(split_feature, application.features))
    names = list(said) or _own_names(estimator) or _header(rows)
    names = names or [f"f{column}" for column in range(width or 0)]
    if not names or (width is not None and len(names) != width):
        raise RegistryError(f"the model takes {width} features, but {len(names)} are named: {', '.join(names)[:200]}")
    typed = [f"{name}:{said.get(name) or _kind(name, rows)}" for name in names]
    return specs_of(typed, nullable=application.nullable)


def _alternatives(specs: tuple[TensorSpec, ...]) -> list[tuple[TensorSpec, ...]]:
    """A pipeline that was fitted on a data frame converts with its columns apart."""
    (spec, *more) = specs
    if more or not spec.features:
        return [specs]
    return [specs, tuple(TensorSpec(name, "FP32", (-1, 1), (name,), spec.nullable) for name in spec.features)]


def _own_names(estimator: Any) -> list[str]:
    return [str(name) for name in getattr(estimator, "feature_names_in_", ())]


def _header(rows: CsvRows | None) -> list[str]:
    return list(rows.names) if rows else []


def _kind(name: str, rows: CsvRows | None) -> str:
    return "FP32" if rows is None or name not in rows.names or rows.has_numbers(name) else "BYTES"


def _layout(specs: tuple[TensorSpec, ...], rows: CsvRows | None) -> Layout:
    if rows:
        return specs, rows.inputs(specs)
    return specs, generated(specs)


def _described(estimator: Any, application: Application, specs: tuple[TensorSpec, ...]) -> Signature:
    if is_transformer(estimator):
        if application.labels or application.task not in (None, "transform"):
            raise RegistryError(f"{type(estimator).__name__} transforms rows: it predicts nothing, and has no labels")
        return transformer(specs, columns_out(estimator, specs, application.outputs))
    if application.task == "transform" or application.outputs:
        raise RegistryError(f"{type(estimator).__name__} predicts: it is no transform, whose outputs could be named")
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        if application.labels or application.task == "classification":
            raise RegistryError(f"{type(estimator).__name__} is for regression: it has no labels")
        return regressor(specs)
    if application.task not in (None, "classification"):
        raise RegistryError(f"{type(estimator).__name__} is for classification, not for {application.task}")
    labels = application.labels or tuple(map(str, classes))
    if len(labels) != len(classes):
        raise RegistryError(f"the model has {len(classes)} classes, but {len(labels)} labels are given")
    return classifier(specs, labels)


def _targets(rows: CsvRows | None, signature: Signature) -> Array | None:
    """The truth, where there is one: of other columns there is none."""
    return rows.targets(signature) if rows and signature.task != "transform" else None


def _calibration(application: Application, signature: Signature) -> Calibration | None:
    if application.temperature is None:
        return None
    if not signature.labels:
        raise RegistryError(f"a temperature is for probabilities, and this is a {signature.task}")
    return Calibration(application.temperature, split="given")

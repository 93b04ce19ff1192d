"""From a fitted estimator to ONNX, and the proof that both say the same.

One row through a compiled forest costs microseconds where scikit-learn takes milliseconds. What does not convert, or
does not agree, is served as it was fitted, and the manifest says why.
"""

import copy
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.errors import BackendError, ChorusError, RegistryError
from models.manifest import Compilation
from models.runtimes import Model, load_contents
from models.runtimes.base import one_line
from models.types import PROBABILITIES, Array, Signature, TensorSpec

CLOSE = 1e-5  # what float32 arithmetic in another order may come to
TIE = 1e-4  # two labels nearer than this may change places

CONVERTED: Mapping[str, str] = {
    "BOOL": "BooleanTensorType",
    "BYTES": "StringTensorType",
    "FP32": "FloatTensorType",
    "FP64": "DoubleTensorType",
    "INT64": "Int64TensorType",
}
"""skl2onnx's types of inputs, by ours."""


class NotConvertedError(ChorusError):
    """No converter for this model, or one that failed."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What came of a compilation: the ONNX file if it may be served, and the record for the manifest."""

    contents: bytes | None
    record: Compilation


def compiled(
    estimator: Any,
    expected: Mapping[str, Array],
    signature: Signature,
    inputs: Mapping[str, Array],
    temperature: float | None = None,
) -> Compiled:
    """Compile `estimator` and compare: `expected` is what the original, calibrated, says of the held-out `inputs`."""
    try:
        contents = compile_to_onnx(estimator, signature)
        model = load_contents(contents, "onnx", signature, temperature)
    except (NotConvertedError, RegistryError) as error:
        return Compiled(None, Compilation(converted=False, reason=str(error)))
    record = parity(model, expected, inputs)
    return Compiled(contents if record.agrees else None, record)


def compile_to_onnx(estimator: Any, signature: Signature) -> bytes:
    """`estimator`, of scikit-learn or xgboost, as an ONNX model with the signature's inputs.

    Raises:
        NotConvertedError: the converters cannot.
    """
    try:
        with warnings.catch_warnings():
            # skl2onnx writes a bool for the leaves of histogram gradient boosting; protobuf 6 takes it, and warns
            warnings.filterwarnings("ignore", "Field onnx.AttributeProto.ints", DeprecationWarning)
            model = (_from_xgboost if of_xgboost(estimator) else _from_sklearn)(estimator, signature.inputs)
            return bytes(model.SerializeToString())
    except Exception as error:  # converters raise whatever they stumble over
        raise NotConvertedError(f"does not convert to ONNX: {_said(error)}") from error


def _said(error: Exception) -> str:
    """skl2onnx's longest message in few words."""
    unknown = re.search(r"Unable to find a shape calculator for type '<class '([\w.]+)'>'", str(error))
    return f"there is no converter for {unknown[1]}" if unknown else one_line(error)


def of_xgboost(estimator: Any) -> bool:
    """Whether xgboost itself can save `estimator`."""
    return type(estimator).__module__.partition(".")[0] == "xgboost"


def _from_xgboost(estimator: Any, specs: tuple[TensorSpec, ...]) -> Any:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    (spec,) = specs  # xgboost takes one matrix
    if estimator.get_booster().feature_names is not None:
        estimator = copy.deepcopy(estimator)
        estimator.get_booster().feature_names = None  # the converter knows columns by number alone
    return convert_xgboost(estimator, initial_types=[(spec.name, FloatTensorType([None, spec.shape[1]]))])


def _from_sklearn(estimator: Any, specs: tuple[TensorSpec, ...]) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common import data_types
    from sklearn.base import is_classifier

    types = [(spec.name, getattr(data_types, CONVERTED[spec.datatype])([None, *spec.shape[1:]])) for spec in specs]
    options = {id(estimator): {"zipmap": False}} if is_classifier(estimator) else None
    return to_onnx(estimator, initial_types=types, options=options)


def parity(model: Model, expected: Mapping[str, Array], inputs: Mapping[str, Array]) -> Compilation:
    """Whether `model` says what is `expected` of all rows of `inputs`: one row at a time, and all at once."""
    rows = len(next(iter(inputs.values())))
    try:
        singles = [model({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(rows)]
        together = model(inputs)
    except BackendError as error:
        return Compilation(converted=True, rows=rows, reason=f"converts, but fails when it is called: {error}")
    apart = {name: np.concatenate([single[name] for single in singles]) for name in together}
    reasons = [reason for said in (together, apart) if (reason := _disagreement(said, expected))]
    most = max(_difference(said, expected) for said in (together, apart))
    return Compilation(True, not reasons, most, rows, reasons[0] if reasons else "")


def _disagreement(said: Mapping[str, Array], expected: Mapping[str, Array]) -> str:
    """Why `said` is not the same as `expected`, in one line; empty if it is."""
    if PROBABILITIES in expected:
        changed = _changed_labels(said[PROBABILITIES], expected[PROBABILITIES])
        if changed:
            return f"converts, but {changed} of {len(expected[PROBABILITIES])} rows change their label"
    most = _difference(said, expected)
    return "" if most <= CLOSE else f"converts, but differs from the original by {most:.2g}, more than {CLOSE:g}"


def _changed_labels(said: Array, expected: Array) -> int:
    best = np.sort(expected, axis=1)[:, -2:]
    clear = best[:, -1] - best[:, 0] > TIE
    return int((clear & (said.argmax(axis=1) != expected.argmax(axis=1))).sum())


def _difference(said: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest difference: of probabilities, or of other numbers relative to their own or to the typical size."""
    if PROBABILITIES in expected:
        return float(np.abs(said[PROBABILITIES] - expected[PROBABILITIES]).max(initial=0.0))
    return max(_apart(said[name], array) for name, array in expected.items())


def _apart(said: Array, expected: Array) -> float:
    """By how much two tensors differ; of strings and integers, infinitely or not at all."""
    if expected.dtype.kind != "f":
        return 0.0 if said.shape == expected.shape and bool((said == expected).all()) else math.inf
    ours, theirs = said.astype(np.float64), expected.astype(np.float64)
    if (np.isnan(ours) != np.isnan(theirs)).any():
        return math.inf
    sizes = np.abs(np.nan_to_num(theirs))
    scale = np.maximum(sizes, np.median(sizes, axis=0)) + np.finfo(np.float64).tiny
    return float((np.abs(np.nan_to_num(ours) - np.nan_to_num(theirs)) / scale).max(initial=0.0))

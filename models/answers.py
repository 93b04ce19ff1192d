"""What a model said, checked: nonsense is a failed member, never a vote.

On the path of every answer, therefore few NumPy calls and no copies beyond the cast to float64.
"""

from collections.abc import Mapping

import numpy as np

from models.calibration import tempered
from models.errors import InvalidAnswer
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature, TensorSpec

TOLERANCE = 1e-3  # what a model that computes in half precision may be off by
FEW = 32  # numbers: so few are looked at faster one by one


def validated(
    outputs: Mapping[str, Array], signature: Signature, rows: int, *, temperature: float | None = None
) -> dict[str, Array]:
    """The canonical answer: `probabilities` (n, k) or `predictions` (n,) in float64; other tasks' tensors as declared.

    Probabilities are those at `temperature`, if it is given.

    Raises:
        InvalidAnswer: an output is missing, not a number, of the wrong shape, not finite, or no distribution.
    """
    if signature.task == "classification":
        said = _distributions(_numbers(outputs, PROBABILITIES), rows, len(signature.labels))
        return {PROBABILITIES: _normalised(said) if temperature is None else tempered(said, temperature)}
    if signature.task == "regression":
        return {PREDICTIONS: _finite(_numbers(outputs, PREDICTIONS), rows)}
    return {spec.name: _shaped(_output(outputs, spec.name), spec, rows) for spec in signature.outputs}


def _output(outputs: Mapping[str, Array], name: str) -> Array:
    if name not in outputs:
        raise InvalidAnswer(f"no output {name!r} among {list(outputs)}")
    return np.asarray(outputs[name])


def _numbers(outputs: Mapping[str, Array], name: str) -> Array:
    array = _output(outputs, name)
    if array.dtype.kind not in "fiu":
        raise InvalidAnswer(f"{name} must be numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def _normalised(array: Array) -> Array:
    return np.asarray(array / np.add.reduce(array, axis=1, keepdims=True))


def _distributions(array: Array, rows: int, classes: int) -> Array:
    """`array` (n, k), whose rows sum to about one, without what is negative within the tolerance."""
    if array.shape != (rows, classes):
        raise InvalidAnswer(f"probabilities must have the shape {(rows, classes)}, got {array.shape}")
    if array.size <= FEW and _are_distributions(array.tolist()):
        return array
    # ufunc.reduce is what min, max and sum come to, at half the price for one row
    lowest, highest = np.minimum.reduce(array, axis=None, initial=0.0), np.maximum.reduce(array, axis=None, initial=0.0)
    if not (lowest >= -TOLERANCE and highest <= 1 + classes * TOLERANCE):  # false for NaN, too
        raise InvalidAnswer(f"probabilities must lie in [0, 1], got {lowest:.6g} to {highest:.6g}")
    if lowest < 0:
        array = np.maximum(array, 0.0)
    sums = np.add.reduce(array, axis=1)
    wrong = np.abs(sums - 1)
    if np.maximum.reduce(wrong, axis=None, initial=0.0) > TOLERANCE:
        row = int((wrong > TOLERANCE).argmax())
        raise InvalidAnswer(f"probabilities must sum to 1, row {row} sums to {sums[row]:.6g}")
    return array


def _are_distributions(rows: list[list[float]]) -> bool:
    """Whether `rows` are distributions as they stand, which most are; not with a NaN, whose sum is one."""
    return all(min(row) >= 0 and abs(sum(row) - 1) <= TOLERANCE for row in rows)


def _finite(array: Array, rows: int) -> Array:
    """`array` (n,) or (n, 1) as (n,)."""
    if array.shape not in ((rows,), (rows, 1)):
        raise InvalidAnswer(f"predictions must have the shape {(rows,)}, got {array.shape}")
    array = array.reshape(rows)
    finite = np.isfinite(array)
    if not finite.all():
        row = int(finite.argmin())
        raise InvalidAnswer(f"predictions must be finite, row {row} is {array[row]}")
    return array


def _shaped(array: Array, spec: TensorSpec, rows: int) -> Array:
    fits = array.ndim == len(spec.shape) and array.shape[:1] == (rows,)
    if not fits or any(want not in (-1, got) for want, got in zip(spec.shape[1:], array.shape[1:], strict=True)):
        raise InvalidAnswer(f"{spec.name} must have {rows} rows and the shape {spec.shape}, got {array.shape}")
    if array.dtype.kind == "f" and not (np.isfinite(array) | (spec.nullable & np.isnan(array))).all():
        raise InvalidAnswer(f"{spec.name} must be finite")
    return _cast(array, spec)


def _cast(array: Array, spec: TensorSpec) -> Array:
    """`array` as the datatype of `spec`, if it holds that kind of values; a float may lose digits, nothing else."""
    if array.dtype == spec.dtype:
        return array
    if spec.datatype == "BYTES" and array.dtype.kind not in "OUT":
        raise InvalidAnswer(f"{spec.name} must be strings, got {array.dtype}")
    if not np.can_cast(array.dtype, spec.dtype, "same_kind"):
        raise InvalidAnswer(f"{spec.name} must be {spec.datatype}, got {array.dtype}")
    return array.astype(spec.dtype)

"""What the columns of a table are: one float32 matrix where all are numbers, else a tensor (n, 1) for each column.

A table is a matrix, an array of objects, or a data frame (of pandas or polars, neither of which is imported here).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.types import DTYPES, Array, TensorSpec

INPUT = "features"

_SHAPED = re.compile(r"(?P<name>.+):(?P<kind>[A-Z0-9]+)\[(?P<shape>[1-9]\d{0,8}(,[1-9]\d{0,8}){0,6})\]")

Inputs = dict[str, Array]
Layout = tuple[tuple[TensorSpec, ...], Inputs]


def layouts_of(x: Any, features: Sequence[str] = (), *, nullable: bool = False) -> list[Layout]:
    """The ways to lay out the table `x` (n, f) as tensors, the best first: converters do not take all of them.

    A column of numbers is nullable where `x` has missing values, or all of them if `nullable`.

    Raises:
        ValueError: a column holds something else than numbers or strings, or the names are not as many.
    """
    columns = _columns(x)
    names = list(features) or _names(x) or [f"f{column}" for column in range(len(columns))]
    if len(names) != len(columns):
        raise ValueError(f"{len(columns)} columns, but {len(names)} features: {names}")
    typed = [_typed(values, name) for values, name in zip(columns, names, strict=True)]
    if any(array.dtype == object for array in typed):
        return [_apart(typed, names, nullable), _apart([_as_floats(array) for array in typed], names, nullable)]
    floats = [_as_floats(array) for array in typed]
    whole = _together(floats, names, nullable)
    return [whole, _apart(floats, names, nullable)] if _names(x) else [whole]


def split_feature(feature: str) -> tuple[str, str]:
    """`age:INT64` is a name and a datatype; of a name alone the datatype is empty."""
    name, _, kind = feature.rpartition(":")
    return (name, kind) if name and kind in DTYPES else (feature, "")


def specs_of(features: Sequence[str], *, nullable: bool) -> tuple[TensorSpec, ...]:
    """The tensors that `features` describe, each a `name`, `name:DATATYPE` or `name:DATATYPE[3,4]`.

    What has no datatype is float32. What has a shape is a tensor of its own whose columns have no names; all else are
    columns: of one tensor if all are float32, else each of its own.
    """
    shaped = [tensor for tensor in map(_shaped, features) if tensor is not None]
    columns = dict(split_feature(feature) for feature in features if _shaped(feature) is None)
    if set(columns.values()) <= {"FP32", ""}:
        together = TensorSpec(INPUT, "FP32", (-1, len(columns)), tuple(columns), nullable)
        return ((together,) if columns else ()) + _nullable(shaped, nullable)
    apart = [TensorSpec(name, kind or "FP32", (-1, 1), (name,)) for name, kind in columns.items()]
    return _nullable([*apart, *shaped], nullable)


def _shaped(feature: str) -> TensorSpec | None:
    """The tensor that `name:DATATYPE[3,4]` is; None of a column."""
    found = _SHAPED.fullmatch(feature)
    if found is None or found["kind"] not in DTYPES:
        return None
    return TensorSpec(found["name"], found["kind"], (-1, *map(int, found["shape"].split(","))))


def _nullable(specs: Sequence[TensorSpec], nullable: bool) -> tuple[TensorSpec, ...]:
    return tuple(replace(spec, nullable=nullable and spec.dtype.kind == "f") for spec in specs)


def _columns(x: Any) -> list[Array]:
    if _names(x):
        return [np.asarray(x[name].to_numpy()) for name in x.columns]
    table = np.asarray(x)
    if table.ndim != 2:
        raise ValueError(f"expected a table of rows and columns, got the shape {table.shape}")
    return list(table.T)


def _names(x: Any) -> list[str]:
    """The names of a data frame's columns."""
    return [str(name) for name in getattr(x, "columns", ())]


def _typed(values: Array, name: str) -> Array:
    """One column (n,): float32, int64, bool, or strings as objects."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if values.dtype.kind in "fb":
        return values.astype(np.float32) if values.dtype.kind == "f" else values
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    kinds = {type(value) for value in plain}
    if kinds <= {bool} and kinds:
        return np.array(plain)
    if kinds <= {int} and kinds:
        return np.array(plain, np.int64)
    if kinds <= {int, float, type(None)}:
        return np.array(plain, np.float64).astype(np.float32)
    if kinds <= {str}:
        return np.array(plain, object)
    return _refused(plain, name)


def _refused(plain: Sequence[Any], name: str) -> Array:
    if any(isinstance(value, str) for value in plain) and any(map(_missing, plain)):
        raise ValueError(f"column {name!r} has missing strings: fit on '' in their place, which is what requests send")
    odd = next(value for value in plain if not isinstance(value, str | int | float))
    raise ValueError(f"column {name!r} holds {type(odd).__name__}, expected numbers or strings")


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"


def _as_floats(array: Array) -> Array:
    return array if array.dtype == object else array.astype(np.float32)


def _together(columns: Sequence[Array], names: Sequence[str], nullable: bool) -> Layout:
    matrix = np.ascontiguousarray(np.stack(columns, axis=1))
    holes = nullable or bool(np.isnan(matrix).any())
    return (TensorSpec(INPUT, "FP32", (-1, len(names)), tuple(names), holes),), {INPUT: matrix}


def _apart(columns: Sequence[Array], names: Sequence[str], nullable: bool) -> Layout:
    specs = tuple(_spec(array, name, nullable) for array, name in zip(columns, names, strict=True))
    return specs, {name: array[:, None] for array, name in zip(columns, names, strict=True)}


def _spec(array: Array, name: str, nullable: bool) -> TensorSpec:
    datatype = {"O": "BYTES", "i": "INT64", "b": "BOOL", "f": "FP32"}[array.dtype.kind]
    holes = array.dtype.kind == "f" and (nullable or bool(np.isnan(array).any()))
    return TensorSpec(name, datatype, (-1, 1), (name,), holes)

"""Rows as plain values, and the tensors that they are: for a manifest's examples, and to try a model with."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.types import Array, TensorSpec

GENERATED = 16


def inputs_of(rows: Sequence[Sequence[Any]], specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """`rows`, each a flat list over all inputs, as the inputs of `specs`; None is a missing number."""
    table = np.empty((len(rows), sum(map(width_of, specs))), object)
    for at, row in enumerate(rows):
        table[at] = row
    inputs, start = {}, 0
    for spec in specs:
        stop = start + width_of(spec)
        inputs[spec.name] = table[:, start:stop].astype(spec.dtype).reshape(-1, *spec.shape[1:])
        start = stop
    return inputs


def row_of(inputs: Mapping[str, Array], row: int) -> list[Any]:
    """One row of `inputs` as plain values, as JSON writes them."""
    return [_plain(value) for array in inputs.values() for value in array[row].reshape(-1)]


def width_of(spec: TensorSpec) -> int:
    """The values that a tensor takes of a row."""
    return math.prod(spec.shape[1:])


def generated(specs: Sequence[TensorSpec], seed: int = 0) -> dict[str, Array]:
    """Rows that any model of these inputs should answer: zeros, ones, noise, missing values where there may be."""
    random = np.random.default_rng(seed)
    return {spec.name: _generated(spec, random) for spec in specs}


def _generated(spec: TensorSpec, random: np.random.Generator) -> Array:
    shape = (GENERATED, *spec.shape[1:])
    if spec.datatype == "BYTES":
        return np.full(shape, "a", object)
    values = random.normal(size=shape)
    values[0], values[1] = 0, 1
    if spec.dtype.kind != "f":
        return np.abs(values).astype(spec.dtype)
    array = values.astype(spec.dtype)
    if spec.nullable:
        array[2] = np.nan
    return array


def shortest(value: np.floating[Any]) -> float:
    """The shortest decimal that is this float32 again: 17.99, not 17.989999771118164."""
    return float(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, np.floating):
        return None if np.isnan(value) else shortest(value)
    return value.item() if isinstance(value, np.generic) else value

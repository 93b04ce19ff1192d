"""Each member is fed by name: which of an ensemble's inputs become which of a member's.

Members of one ensemble may use different features, or the same in another order. An ensemble takes the union.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.types import Array, TensorSpec

Feed = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class _Column:
    """Where one feature lies in an ensemble's inputs."""

    tensor: TensorSpec
    index: int


def union_of(members: Mapping[str, Sequence[TensorSpec]]) -> tuple[TensorSpec, ...]:
    """The inputs of an ensemble: every feature of any member once, in order of first mention.

    Raises:
        ValueError: two members disagree about the datatype of a feature, or inputs without feature names differ.
    """
    inputs = [tuple(specs) for specs in members.values()]
    if all(specs == inputs[0] for specs in inputs):
        return inputs[0]
    if any(not spec.features for specs in inputs for spec in specs):
        raise ValueError(f"members with different inputs need feature names: {', '.join(members)}")
    merged: dict[str, list[str]] = {}
    specs_of: dict[str, TensorSpec] = {}
    home: dict[str, str] = {}
    for name, specs in members.items():
        for spec in specs:
            first = specs_of.setdefault(spec.name, spec)
            if first.datatype != spec.datatype:
                raise ValueError(f"member {name}: input {spec.name} is {spec.datatype}, elsewhere {first.datatype}")
            for feature in spec.features:
                if home.setdefault(feature, spec.name) != spec.name:
                    raise ValueError(
                        f"member {name}: feature {feature!r} is in {spec.name}, elsewhere in another input"
                    )
                if feature not in merged.setdefault(spec.name, []):
                    merged[spec.name].append(feature)
    nullable = {tensor: all(_nullable(specs, tensor) for specs in inputs) for tensor in merged}
    return tuple(
        TensorSpec(tensor, specs_of[tensor].datatype, (-1, len(features)), tuple(features), nullable[tensor])
        for tensor, features in merged.items()
    )


def _nullable(specs: Sequence[TensorSpec], tensor: str) -> bool:
    return all(spec.nullable for spec in specs if spec.name == tensor)


def feed_of(whole: Sequence[TensorSpec], member: Sequence[TensorSpec]) -> Feed | None:
    """How inputs `whole` become the inputs `member`; None if they are the same."""
    if tuple(whole) == tuple(member):
        return None
    columns = {feature: _Column(spec, at) for spec in whole for at, feature in enumerate(spec.features)}
    picks = [(spec.name, _source(spec, columns), _indices(spec, columns)) for spec in member]
    return lambda inputs: {name: inputs[source][:, indices] for name, source, indices in picks}


def _source(spec: TensorSpec, columns: Mapping[str, _Column]) -> str:
    (source,) = {columns[feature].tensor.name for feature in spec.features}
    return source


def _indices(spec: TensorSpec, columns: Mapping[str, _Column]) -> Array:
    return np.array([columns[feature].index for feature in spec.features])

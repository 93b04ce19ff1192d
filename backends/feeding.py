"""Each member is fed by name: which of an ensemble's inputs become which of a member's.

Members of one ensemble may use different features, in another order, in tensors of other names, or as other numbers. An
ensemble takes the union of the features, each once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from models.types import DTYPES, Array, TensorSpec

Feed = Callable[[Mapping[str, Array]], Mapping[str, Array]]
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class _Feature:
    """A feature as an ensemble takes it: its `home` is the first tensor that has it."""

    name: str
    home: str
    datatype: str
    nullable: bool


def union_of(members: Mapping[str, Sequence[TensorSpec]]) -> tuple[TensorSpec, ...]:
    """The inputs of an ensemble: every feature of any member once, in order of first mention.

    A value must be right for every member that uses it: it may be missing only if it may for all, and of integers and
    floats the integers are asked for, which can be given as both.

    Raises:
        ValueError: two members disagree about the datatype of a feature, or inputs without feature names differ.
    """
    inputs = [tuple(specs) for specs in members.values()]
    features = [feature for spec in inputs[0] for feature in spec.features]
    if all(specs == inputs[0] for specs in inputs) and len(set(features)) == len(features):
        return inputs[0]
    if any(not spec.features for specs in inputs for spec in specs):
        raise ValueError(f"members with different inputs need feature names: {', '.join(members)}")
    found: dict[str, _Feature] = {}
    for name, specs in members.items():
        for spec in specs:
            for feature in spec.features:
                found[feature] = _merged(found.get(feature), feature, spec, name)
    return _tensors(list(found.values()))


def _merged(known: _Feature | None, feature: str, spec: TensorSpec, member: str) -> _Feature:
    if known is None:
        return _Feature(feature, spec.name, spec.datatype, spec.nullable)
    datatype = _common(known.datatype, spec.datatype)
    if datatype is None:
        raise ValueError(f"member {member}: feature {feature!r} is {spec.datatype}, elsewhere {known.datatype}")
    nullable = known.nullable and spec.nullable and DTYPES[datatype].kind == "f"
    return _Feature(feature, known.home, datatype, nullable)


def _common(one: str, other: str) -> str | None:
    """The datatype whose values both can take: an integer before a float, the narrower integer, the wider float."""
    if one == other:
        return one
    kinds = DTYPES[one].kind + DTYPES[other].kind
    if not set(kinds) <= set("iuf"):
        return None
    if kinds == "ff":
        return "FP64"
    if "f" in kinds:
        return other if kinds[0] == "f" else one
    return min(one, other, key=lambda kind: DTYPES[kind].itemsize) if kinds[0] == kinds[1] else None


def _tensors(features: Sequence[_Feature]) -> tuple[TensorSpec, ...]:
    """The largest kind of each home keeps its name; what else is there is a tensor (-1, 1) for each column."""
    groups: dict[tuple[str, str, bool], list[_Feature]] = {}
    for feature in features:
        groups.setdefault((feature.home, feature.datatype, feature.nullable), []).append(feature)
    largest: dict[str, list[_Feature]] = {}
    for (home, *_), group in groups.items():
        if len(group) > max(1, len(largest.get(home, ()))):
            largest[home] = group
    names = {one.name: home for home, group in largest.items() for one in group}
    tensors: dict[str, list[_Feature]] = {}
    for feature in features:
        tensors.setdefault(names.get(feature.name, feature.name), []).append(feature)
    return tuple(_tensor(name, group) for name, group in tensors.items())


def _tensor(name: str, group: Sequence[_Feature]) -> TensorSpec:
    if len({(one.datatype, one.nullable) for one in group}) > 1:
        raise ValueError(f"feature {name!r} has the name of an input that holds other features")
    first = group[0]
    return TensorSpec(name, first.datatype, (-1, len(group)), tuple(one.name for one in group), first.nullable)


def feed_of(whole: Sequence[TensorSpec], member: Sequence[TensorSpec]) -> Feed | None:
    """How inputs `whole` become the inputs `member`; None if they are the same."""
    if tuple(whole) == tuple(member):
        return None
    places = {feature: (spec.name, at) for spec in whole for at, feature in enumerate(spec.features)}
    picks = [(spec.name, pick(spec, [places[feature] for feature in spec.features])) for spec in member]
    return lambda inputs: {name: take(inputs) for name, take in picks}


def pick(spec: TensorSpec, sources: Sequence[tuple[K, int | None]]) -> Callable[[Mapping[K, Array]], Array]:
    """One tensor, from a column for each of its features, or from one source as a whole, where that names no column.

    Columns of one tensor are taken at once, of several side by side.
    """
    dtype, (first, at) = spec.dtype, sources[0]
    if at is None:
        shape = spec.shape
        return lambda inputs: inputs[first].astype(dtype, copy=False).reshape(shape)
    if len({tensor for tensor, _ in sources}) == 1:
        indices = np.array([at for _, at in sources])
        return lambda inputs: inputs[first][:, indices].astype(dtype, copy=False)
    return lambda inputs: np.stack([inputs[tensor][:, at] for tensor, at in sources], axis=1).astype(dtype, copy=False)


def examples_of(
    whole: Sequence[TensorSpec], members: Sequence[tuple[Sequence[TensorSpec], Sequence[Sequence[object]]]]
) -> tuple[tuple[object, ...], ...]:
    """Rows of an ensemble, from the inputs and examples of its members; none if a feature has no value there."""
    for specs, examples in members:
        if examples and tuple(specs) == tuple(whole):
            return tuple(map(tuple, examples))
    known = [(specs, examples) for specs, examples in members if examples]
    fewest = min((len(examples) for _, examples in known), default=0)
    rows = (_joined(whole, [(specs, examples[at]) for specs, examples in known]) for at in range(fewest))
    return tuple(row for row in rows if row is not None)


def _joined(
    whole: Sequence[TensorSpec], members: Sequence[tuple[Sequence[TensorSpec], Sequence[object]]]
) -> tuple[object, ...] | None:
    """One row, in which each feature has the value of the first member that has it."""
    if not all(spec.features for spec in whole):
        return None
    values: dict[str, object] = {}
    for specs, example in members:
        features = [feature for spec in specs for feature in spec.features]
        for feature, value in zip(features, example, strict=False):
            values.setdefault(feature, value)
    wanted = [(feature, spec) for spec in whole for feature in spec.features]
    if not all(feature in values for feature, _ in wanted):
        return None
    return tuple(_as_asked(values[feature], spec) for feature, spec in wanted)


def _as_asked(value: object, spec: TensorSpec) -> object:
    """A member's float where the ensemble asks for an integer."""
    return int(value) if isinstance(value, float) and spec.dtype.kind in "iu" else value

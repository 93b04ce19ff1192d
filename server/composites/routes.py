"""What kinds that ask one of several backends have in common: by what of a request they may decide."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backends.alignment import Aligned, aligned
from backends.feeding import examples_of
from backends.served import Answerable, Served
from models.columns import split_feature
from models.names import no_such
from models.types import InferRequest, Signature, TensorSpec
from server.codecs.oip_v2 import THEIRS
from server.codecs.parameters import WireParameters
from server.composites.kind import Fault, Misfit, repeated

Place = tuple[str, int]
"""A tensor of the request, and a column of it."""


def more_inputs(features: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Features that are looked at, and that no branch may take: each a tensor of its own."""
    return tuple(spec for feature in features for spec in _alone(feature))


def _alone(feature: str) -> Iterator[TensorSpec]:
    name, datatype = split_feature(feature)
    yield TensorSpec(name, datatype or "FP32", (-1, 1), (name,), nullable=(datatype or "FP32").startswith("FP"))


def aligned_parts(parts: Sequence[Served], features: Sequence[str], key: str) -> tuple[Signature, tuple[Aligned, ...]]:
    """What `parts` have in common, with what is looked at besides; `key` names the parts.

    Raises:
        Misfit: they have not enough in common.
    """
    try:
        return aligned(parts, more_inputs(features))
    except ValueError as error:
        raise Misfit((key, str(error))) from error


def places_of(signature: Signature, features: Sequence[str]) -> dict[str, Place]:
    """Where in a request each of `features` is.

    Raises:
        ValueError: it has no such feature.
    """
    there = {feature: (spec.name, at) for spec in signature.inputs for at, feature in enumerate(spec.features)}
    for feature in features:
        if feature not in there:
            hint = "; one that no branch takes is to be listed in features"
            raise ValueError(no_such("feature", feature, list(there)) + hint)
    return {feature: there[feature] for feature in features}


def column(request: InferRequest, place: Place) -> list[Any]:
    """The values of one feature, as Python has them."""
    tensor, at = place
    values: list[Any] = request.inputs[tensor][:, at].tolist()
    return values


def own_mistakes(parameters: Sequence[str], features: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with declared parameters and features."""
    yield from repeated("parameters", parameters)
    for name in parameters:
        if name in OURS:
            yield "parameters", f"{name!r} means something already: choose another name"
    yield from repeated("features", [split_feature(feature)[0] for feature in features])


OURS = frozenset(WireParameters.__struct_fields__) | THEIRS | {"timeout"}
"""Parameters that have a meaning of their own in one of the protocols."""


def any_of(parts: Sequence[Served]) -> Answerable:
    """One that can answer is enough: who asks for another hears so, and need not keep the others away."""
    return lambda ready: any(map(ready, parts))


def longest_of(parts: Sequence[Served]) -> float:
    """The time that a request has by itself: as much as the slowest part would give it."""
    return max(part.timeout for part in parts)


def examples_among(signature: Signature, parts: Sequence[Served]) -> tuple[tuple[object, ...], ...]:
    """Rows, if the examples of the parts have a value for every feature."""
    return examples_of(signature.inputs, [(part.signature.inputs, part.examples) for part in parts])


def facts_of(values: Mapping[str, object]) -> Mapping[str, object]:
    """What is shown of a branch, without what says nothing."""
    return {key: value for key, value in values.items() if value is not None}

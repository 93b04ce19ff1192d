"""What kinds that ask one of several backends have in common: by what of a request they may decide.

Imported where it is needed: workers read settings, too, and compose nothing.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from backends.served import Answerable, Served
from models.columns import split_feature
from models.names import no_such
from models.types import InferRequest, Signature, TensorSpec
from server.composites.kind import Fault, Misfit, repeated

if TYPE_CHECKING:
    from backends.alignment import Aligned

Place = tuple[str, int]
"""A tensor of the request, and a column of it."""


def more_inputs(features: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Features that are looked at, and that no branch may take: each a tensor of its own."""
    return tuple(spec for feature in features for spec in _alone(feature))


def _alone(feature: str) -> Iterator[TensorSpec]:
    name, datatype = split_feature(feature)
    yield TensorSpec(name, datatype or "FP32", (-1, 1), (name,), nullable=(datatype or "FP32").startswith("FP"))


def aligned_parts(
    parts: Sequence[Served], features: Sequence[str], key: str
) -> "tuple[Signature, tuple[Aligned, ...]]":
    """What `parts` have in common, with what is looked at besides; `key` names the parts.

    Raises:
        Misfit: they have not enough in common.
    """
    from backends.alignment import aligned

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
            raise ValueError(no_such("feature", feature, list(there)))
    return {feature: there[feature] for feature in features}


def column(request: InferRequest, place: Place) -> list[Any]:
    """The values of one feature, as Python has them."""
    tensor, at = place
    values: list[Any] = request.inputs[tensor][:, at].tolist()
    return values


def own_mistakes(parameters: Sequence[str], features: Sequence[str]) -> Iterator[Fault]:
    """What is wrong with declared parameters and features."""
    from server.codecs.parameters import THEIRS, WireParameters

    ours = {*WireParameters.__struct_fields__, *THEIRS, "timeout"}  # in one protocol or the other
    yield from repeated("parameters", parameters)
    for name in parameters:
        if name in ours:
            yield "parameters", f"{name!r} means something already: choose another name"
    yield from repeated("features", [split_feature(feature)[0] for feature in features])


def any_of(parts: Sequence[Served]) -> Answerable:
    """One that can answer is enough: who asks for another hears so, and need not keep the others away."""
    return lambda ready: any(map(ready, parts))


def longest_of(parts: Sequence[Served]) -> float:
    """The time that a request has by itself: as much as the slowest part would give it."""
    return max(part.timeout for part in parts)


def examples_among(signature: Signature, parts: Sequence[Served]) -> tuple[tuple[object, ...], ...]:
    """Rows, if the examples of the parts have a value for every feature."""
    from backends.feeding import examples_of

    return examples_of(signature.inputs, [(part.signature.inputs, part.examples) for part in parts])

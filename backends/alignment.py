"""Backends that can stand for each other: one signature for all, how each is fed, and how its labels are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from backends.feeding import Feed, feed_of, union_of
from backends.served import Served
from models.types import PROBABILITIES, Array, InferRequest, InferResponse, Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Aligned:
    """One of several backends, seen from what they have in common. `order` (k,) puts its labels into theirs."""

    served: Served
    feed: Feed | None = None
    order: Array | None = None

    def asked(self, request: InferRequest) -> InferRequest:
        """`request` with the inputs that it takes."""
        return request if self.feed is None else msgspec.structs.replace(request, inputs=self.feed(request.inputs))

    def answered(self, response: InferResponse) -> InferResponse:
        """`response` with its labels in the common order."""
        if self.order is None:
            return response
        return msgspec.structs.replace(
            response, outputs={PROBABILITIES: response.outputs[PROBABILITIES][:, self.order]}
        )


def aligned(served: Sequence[Served], more: Sequence[TensorSpec] = ()) -> tuple[Signature, tuple[Aligned, ...]]:
    """What `served` have in common: the union of their inputs, and one answer. `more`: inputs that none of them takes.

    Raises:
        ValueError: tasks, labels, outputs or inputs do not fit together.
    """
    first = served[0].signature
    for other in served[1:]:
        if other.signature.task != first.task:
            raise ValueError(f"{other.name} is for {other.signature.task}, {served[0].name} for {first.task}")
        if not first.labels and _outputs(other.signature) != _outputs(first):
            raise ValueError(f"{other.name} gives {_outputs(other.signature)}, {served[0].name} {_outputs(first)}")
    inputs = with_more(union_of({one.name: one.signature.inputs for one in served}), more)
    each = (Aligned(one, feed_of(inputs, one.signature.inputs), order_of(first.labels, one)) for one in served)
    return replace(first, inputs=inputs), tuple(each)


def with_more(inputs: tuple[TensorSpec, ...], more: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """`inputs`, and what of `more` they lack."""
    features = {feature for spec in inputs for feature in spec.features}
    lacking = tuple(spec for spec in more if not features.issuperset(spec.features))
    if clash := next((spec.name for spec in lacking if spec.name in {one.name for one in inputs}), None):
        raise ValueError(f"feature {clash!r} has the name of an input that holds other features")
    return inputs + lacking


def order_of(labels: Sequence[str], one: Served) -> Array | None:
    """How the probabilities of `one` come into the order of `labels`; None if they are in it."""
    theirs = one.signature.labels
    if theirs == tuple(labels):
        return None
    if sorted(theirs) != sorted(labels):
        raise ValueError(f"{one.name} has the labels {list(theirs)}, expected {list(labels)}")
    return np.array([theirs.index(label) for label in labels])


def _outputs(signature: Signature) -> list[str]:
    return [f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in signature.outputs]

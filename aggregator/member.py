"""A backend in an ensemble: its name, its weight, how it is fed and how its labels are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from backends.alignment import aligned, order_of
from backends.feeding import Feed, feed_of, union_of
from backends.served import Served
from models.deadline import Deadline
from models.types import (
    NO_PARAMETERS,
    PREDICTIONS,
    PROBABILITIES,
    Array,
    InferRequest,
    InferResponse,
    Signature,
)


@dataclass(frozen=True, slots=True)
class Member:
    """One vote, however many processes stand behind it. `order` (k,) puts its labels into the ensemble's order."""

    served: Served
    weight: float = 1.0
    required: bool = False
    feed: Feed | None = None
    order: Array | None = None

    @property
    def name(self) -> str:
        return self.served.name

    async def ask(
        self, request: InferRequest, deadline: Deadline, needed: Callable[[], bool] | None = None
    ) -> InferResponse:
        """Its answer to an ensemble's request; what the request asks of the ensemble is not its business."""
        if self.feed is not None or needed is not None or request.parameters is not NO_PARAMETERS:
            inputs = request.inputs if self.feed is None else self.feed(request.inputs)
            request = replace(request, inputs=inputs, parameters=NO_PARAMETERS, needed=needed)
        return await self.served.backend(request, deadline)

    def scores(self, response: InferResponse) -> Array:
        """What it says, (n, k) in the ensemble's order of labels; (n, 1) for a regression."""
        if self.served.signature.task == "regression":
            return response.outputs[PREDICTIONS][:, None]
        probabilities = response.outputs[PROBABILITIES]
        return probabilities if self.order is None else probabilities[:, self.order]


def assemble(
    served: Sequence[Served], weights: Mapping[str, float], required: Sequence[str]
) -> tuple[Signature, tuple[Member, ...]]:
    """The signature of an ensemble of `served`, and its members: aligned by label, fed by feature.

    Raises:
        ValueError: tasks, labels or inputs do not fit together.
    """
    task = served[0].signature.task
    if task not in ("classification", "regression"):
        raise ValueError(f"{served[0].name} is for {task}, which cannot be voted on or averaged")
    signature, each = aligned(served)
    members = tuple(
        Member(one.served, weights.get(one.served.name, 1.0), one.served.name in required, one.feed, one.order)
        for one in each
    )
    return signature, members


def beside(whole: Signature, one: Served, weight: float = 1.0) -> Member:
    """`one` as a member that is fed what is asked of `whole`, and has no say in what that is.

    Raises:
        ValueError: its task, labels or inputs do not fit.
    """
    if whole.task not in ("classification", "regression"):
        raise ValueError(f"what is for {whole.task} cannot be compared")
    if one.signature.task != whole.task:
        raise ValueError(f"{one.name} is for {one.signature.task}, expected {whole.task}")
    union = union_of({"primary": whole.inputs, one.name: one.signature.inputs})
    for feature in (feature for spec in union for feature in spec.features):
        if feature not in whole.features:
            raise ValueError(f"{one.name} takes the feature {feature!r}, which nobody is asked for")
    return Member(one, weight, False, feed_of(whole.inputs, one.signature.inputs), order_of(whole.labels, one))

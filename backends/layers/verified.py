"""Answers count only of a model that is known to be the one that was meant."""

from typing import Protocol

from msgspec.structs import replace

from backends.base import Backend
from backends.layers.gate import refuse_unless_ready
from backends.served import State
from models.deadline import Deadline
from models.errors import ConnectFailed
from models.types import PROBABILITIES, Array, InferRequest, InferResponse


class Knowledge(Protocol):
    """What is known of the model behind one address; `order` puts its labels into the configured order."""

    @property
    def state(self) -> State: ...

    @property
    def order(self) -> Array | None: ...

    def doubt(self) -> None:
        """Another server may be there now."""

    async def settled(self) -> None:
        """Wait until no doubt is left of those there are now."""


class Verified:
    """Hold an answer until the doubts about who gave it are settled, and put its probabilities into our order.

    A server that is replaced between two calls is noticed by its new connection, which raises a doubt; by the time its
    first answer is there, so is mostly what settles it.

    Raises:
        Unverified, SignatureMismatch: the answer came, but not from the model that was meant.
    """

    def __init__(self, inner: Backend, *, knowledge: Knowledge) -> None:
        self.inner = inner
        self.knowledge = knowledge

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        try:
            response = await self.inner(request, deadline)
        except ConnectFailed:
            self.knowledge.doubt()
            raise
        await self.knowledge.settled()
        refuse_unless_ready(self.knowledge.state)
        return self._ordered(response)

    def _ordered(self, response: InferResponse) -> InferResponse:
        order = self.knowledge.order
        if order is None:
            return response
        return replace(response, outputs={PROBABILITIES: response.outputs[PROBABILITIES][:, order]})

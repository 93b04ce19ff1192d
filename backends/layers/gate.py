"""Keep calls from a backend that cannot be asked now."""

from backends.base import Backend
from backends.served import State
from models.deadline import Deadline
from models.errors import Away, Disabled, SignatureMismatch, Unverified
from models.types import InferRequest, InferResponse


class Gate:
    """Refuse calls while `state` says that the backend is disabled, away or not verified yet.

    Raises:
        Disabled, Away, Unverified, SignatureMismatch: at once.
    """

    def __init__(self, inner: Backend, *, state: State) -> None:
        self.inner = inner
        self.state = state

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        state = self.state
        if not state.enabled:
            raise Disabled("taken out of the vote; `chorus backends enable NAME` puts it back")
        if state.phase != "ready":
            refuse_unless_ready(state)
        return await self.inner(request, deadline)


def refuse_unless_ready(state: State) -> None:
    """Raise what the phase of `state` means for a call."""
    if state.phase == "unverified":
        raise Unverified("its metadata has not been read yet")
    if state.phase == "misfit":
        raise SignatureMismatch("its signature is not the configured one")
    if state.phase != "ready":
        raise Away(f"its process is {state.phase}")

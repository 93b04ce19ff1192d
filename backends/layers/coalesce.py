"""Equal questions at the same time are asked once."""

import asyncio
from dataclasses import dataclass, field

from msgspec.structs import replace

from backends.base import Backend
from backends.question import Question
from backends.statistics import Statistics
from backends.tasks import Tasks
from models.deadline import ROUNDING, Deadline, remaining
from models.errors import DeadlineExceeded
from models.types import InferRequest, InferResponse, any_needed


@dataclass(slots=True, eq=False)
class Waiter:
    """Someone who waits for an answer, no longer than until `deadline`."""

    request: InferRequest
    deadline: Deadline


@dataclass(slots=True, eq=False)
class Shared:
    """A call under way, and who waits for it."""

    task: asyncio.Task[InferResponse] = field(init=False)
    waiters: set[Waiter] = field(default_factory=set)

    def needed(self) -> bool:
        """Whether any of them cannot do without the answer."""
        return any_needed(one.request for one in self.waiters)


class Coalesce:
    """Let who asks the same as a call under way wait for that one's answer, or for its error.

    Each waits until its own deadline; the call is cancelled when the last has left. A call cannot be given more time
    once it has begun: if it is late and some have time left, they ask anew, together, with the latest of their
    deadlines.

    Raises:
        DeadlineExceeded: there was no answer by a waiter's own deadline.
    """

    def __init__(self, inner: Backend, *, question: Question, statistics: Statistics) -> None:
        self.inner = inner
        self._question = question
        self._statistics = statistics
        self._under_way: dict[bytes, Shared] = {}
        self._tasks = Tasks()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if request.stopwatch is not None:
            return await self.inner(request, deadline)
        key, me = self._question.of(request), Waiter(request, deadline)
        latest = deadline
        while True:
            shared = self._under_way.get(key)
            if shared is None:
                shared = self._begin(key, me, latest)
            else:
                self._statistics.coalesced += 1
            try:
                return await _answer(shared, me)
            except DeadlineExceeded:
                if remaining(deadline) <= ROUNDING:
                    raise
                latest = max(one.deadline for one in shared.waiters)
            finally:
                self._leave(key, shared, me)

    def _begin(self, key: bytes, me: Waiter, deadline: Deadline) -> Shared:
        self._under_way[key] = shared = Shared()
        request = replace(me.request, needed=shared.needed)
        shared.task = self._tasks.start(self._ask(key, shared, request, deadline))
        return shared

    async def _ask(self, key: bytes, shared: Shared, request: InferRequest, deadline: Deadline) -> InferResponse:
        """The call; from its end on nobody can join it."""
        try:
            response = await self.inner(request, deadline)
        finally:
            if self._under_way.get(key) is shared:
                del self._under_way[key]
        _protect(response)
        return response

    def _leave(self, key: bytes, shared: Shared, me: Waiter) -> None:
        shared.waiters.discard(me)
        if not shared.waiters and not shared.task.done():
            if self._under_way.get(key) is shared:
                del self._under_way[key]  # whoever comes now begins anew
            shared.task.cancel()


async def _answer(shared: Shared, me: Waiter) -> InferResponse:
    shared.waiters.add(me)
    await asyncio.wait([shared.task], timeout=max(0.0, remaining(me.deadline)))
    if not shared.task.done():
        raise DeadlineExceeded("no answer by the deadline")
    return replace(shared.task.result(), id=me.request.id)


def _protect(response: InferResponse) -> None:
    """Several have it now, so nobody may write to it."""
    for array in response.outputs.values():
        array.flags.writeable = False

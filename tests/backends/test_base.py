from functools import partial

from backends.base import Backend, stack
from models.deadline import Deadline, deadline_after
from models.types import InferRequest, InferResponse
from tests.fakes import Fake, ones, sure


async def test_the_first_layer_sees_the_request_first() -> None:
    seen: list[str] = []

    class Note:
        def __init__(self, inner: Backend, *, name: str) -> None:
            self.inner, self.name = inner, name

        async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
            seen.append(self.name)
            return await self.inner(request, deadline)

    stacked = stack(Fake(sure(1)), partial(Note, name="outer"), partial(Note, name="inner"))
    await stacked(ones(), deadline_after(1))
    assert seen == ["outer", "inner"]

"""Leave an address alone for as long as it asks."""

import asyncio

from backends.base import Backend
from models.deadline import ROUNDING, Deadline
from models.errors import Overloaded, RemoteOverloaded
from models.types import InferRequest, InferResponse

LONGEST = 60.0  # seconds: no server can send us away for good


class Rest:
    """Refuse calls while the backend has said, by Retry-After, that it has too much to do.

    Raises:
        Overloaded: at once.
    """

    def __init__(self, inner: Backend) -> None:
        self.inner = inner
        self._until = 0.0

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if self._until and (left := self._until - asyncio.get_running_loop().time()) > ROUNDING:
            raise Overloaded(f"it asked to be left alone for another {left:.3g} s")
        try:
            return await self.inner(request, deadline)
        except RemoteOverloaded as error:
            if error.retry_after is not None:
                until = asyncio.get_running_loop().time() + min(error.retry_after, LONGEST)
                self._until = max(self._until, until)
            raise

"""A bound on the time of one call."""

import asyncio

from backends.base import Backend
from models.deadline import Deadline, deadline_after
from models.errors import DeadlineExceeded
from models.types import InferRequest, InferResponse


class Timeout:
    """Cancel a call after `seconds`, if given, or at its deadline if that is earlier.

    Raises:
        DeadlineExceeded: the inner backend took longer.
    """

    def __init__(self, inner: Backend, *, seconds: float | None) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds must be positive, got {seconds}")
        self.inner = inner
        self.seconds = seconds

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if self.seconds is not None:
            deadline = min(deadline, deadline_after(self.seconds))
        try:
            async with asyncio.timeout_at(deadline) as scope:
                return await self.inner(request, deadline)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DeadlineExceeded("no answer by the deadline") from error.with_traceback(None)
        finally:
            # It has the task, which has the error, whose traceback has what is here. Such a circle at each failure is
            # work for the garbage collector, and all others wait for that.
            del scope

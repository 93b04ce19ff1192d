"""A bound on the time of one call."""

import asyncio

from backends.alarm import Alarm
from backends.base import Backend
from models.deadline import Deadline, deadline_after
from models.errors import DeadlineExceeded
from models.types import InferRequest, InferResponse


class Timeout:
    """Cancel a call after `seconds`, if given, or at its deadline if that is earlier.

    As `asyncio.timeout` does, but one timer is for all calls.

    Raises:
        DeadlineExceeded: the inner backend took longer.
    """

    def __init__(self, inner: Backend, *, seconds: float | None) -> None:
        if seconds is not None and not seconds > 0:
            raise ValueError(f"seconds must be positive, got {seconds}")
        self.inner = inner
        self.seconds = seconds
        self._alarm = Alarm()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        if self.seconds is not None:
            deadline = min(deadline, deadline_after(self.seconds))
        call = Call(deadline)
        self._alarm.on(call)
        try:
            return await self.inner(request, deadline)
        except asyncio.CancelledError as error:
            if call.is_out_of_time:
                raise DeadlineExceeded("no answer by the deadline") from error.with_traceback(None)
            raise
        finally:
            self._alarm.off(call)
            call.end()
            # It has the task, which has the error, whose traceback has what is here. Such a circle at each failure is
            # work for the garbage collector, and all others wait for that.
            del call


class Call:
    """The task that runs now, to be cancelled at `deadline`."""

    __slots__ = ("_cancelling", "_expired", "_task", "deadline")

    def __init__(self, deadline: Deadline) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a backend is called in one
        self.deadline = deadline
        self._task = task
        self._cancelling = task.cancelling()
        self._expired = False

    def expire(self) -> None:
        """The deadline has come."""
        self._expired = True
        self._task.cancel()

    @property
    def is_out_of_time(self) -> bool:
        """Whether that is all it was cancelled for."""
        return self._expired and self._task.cancelling() <= self._cancelling + 1

    def end(self) -> None:
        """It is over, and its task goes on."""
        if self._expired:
            self._task.uncancel()

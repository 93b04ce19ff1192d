"""Begin a call at once, and make a task of it only if it has to wait.

What Python 3.12 has as eager tasks, for calls that mostly end without any waiting. Until its first wait the call runs
within whoever begins it, so nothing in it may ask for the current task before then.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Rest(Generic[T]):
    """What is left of `call`, which has begun and waits for `awaited`."""

    def __init__(self, call: Coroutine[Any, None, T], awaited: Any) -> None:
        self._call = call
        self._awaited = awaited

    def __await__(self) -> Generator[Any, None, T]:
        error: BaseException | None = None
        while True:
            try:
                yield self._awaited
            except BaseException as thrown:  # a cancellation, mostly, which is the call's to hear
                error = thrown
            try:
                self._awaited = self._call.send(None) if error is None else self._call.throw(error)
            except StopIteration as done:
                value: T = done.value
                return value
            error = None


def begin(call: Coroutine[Any, None, T], loop: asyncio.AbstractEventLoop) -> "asyncio.Task[T] | T":
    """The result of `call`, or the task that waits for it.

    Raises:
        Exception: what the call raises before its first wait.
    """
    try:
        awaited = call.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    return loop.create_task(_finish(Rest(call, awaited)))


async def _finish(rest: Rest[T]) -> T:
    return await rest

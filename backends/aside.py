"""What is about much is done in a thread, so that the event loop turns for everyone else.

A switch from one thread to the other costs more than a small body does.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar

LARGE = 1 << 16  # bytes

P = ParamSpec("P")
T = TypeVar("T")


class Aside:
    """Do what is asked here and now, or in `executor` if it is about `LARGE` or more bytes and there is one."""

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor

    async def __call__(self, size: int, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """`work`, on `size` bytes. Who is cancelled does not wait for it."""
        if size < LARGE or self._executor is None:
            return work(*arguments, **named)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(*arguments, **named))

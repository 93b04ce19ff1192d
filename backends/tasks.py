"""The owner of tasks that several wait for, or perhaps nobody in the end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from models.types import InferResponse


class Tasks:
    """Keeps calls alive until they are done, for the loop holds weak references only, and lets no error go unread."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[InferResponse]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, call: Coroutine[Any, Any, InferResponse]) -> asyncio.Task[InferResponse]:
        """Run `call` in a task of its own."""
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[InferResponse]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

"""The owner of tasks that outlive their request."""

import asyncio
from collections.abc import Collection
from typing import Any


class Reaper:
    """Keeps what is still out after an answer left, lets it finish for a moment, then cancels it.

    Without the moment, a healthy vote would cancel its last members at every request, and close their connections.
    No answer ever waits for it. `len(reaper)` is the gauge.
    """

    def __init__(self, *, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def adopt(self, tasks: Collection[asyncio.Task[Any]], *, linger: float) -> None:
        """Own `tasks` until they are done; cancel them after `linger` seconds, or now if there are too many."""
        at_once = linger <= 0 or len(self._tasks) + len(tasks) > self._capacity
        for task in tasks:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if at_once:
            _cancel(tasks)
        elif tasks:
            asyncio.get_running_loop().call_later(linger, _cancel, tuple(tasks))

    async def close(self) -> None:
        """Cancel what is left and wait for it."""
        left = tuple(self._tasks)
        _cancel(left)
        await asyncio.gather(*left, return_exceptions=True)


def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()

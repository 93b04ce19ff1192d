"""The workers of one backend that were started together."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.process import Process


@dataclass(slots=True, eq=False)
class Crew:
    """`made_of`: for what is the same they can be used again. `plans`: the numbers of those that still need them."""

    name: str
    generation: int
    made_of: tuple[object, ...]
    workers: Sequence[Process] = ()
    plans: set[int] = field(default_factory=set)

    async def settled(self) -> None:
        """Wait until each is ready, or has failed."""
        await asyncio.gather(*(worker.settled.wait() for worker in self.workers))

    @property
    def trouble(self) -> str:
        """Who is not ready, and why; nothing if all are."""
        return "; ".join(
            f"{worker.name} did not come up: {worker.trouble or 'it takes too long'}"
            for worker in self.workers
            if worker.phase != "ready"
        )

    def states(self) -> Iterator[dict[str, Any]]:
        """What a front must know of each."""
        for replica in range(len(self.workers)):
            yield self.state(replica)

    def state(self, replica: int) -> dict[str, Any]:
        """What a front must know of one."""
        worker = self.workers[replica]
        state = {"phase": worker.phase, "pid": worker.pid, "restarts": worker.restarts}
        return {"worker": self.name, "generation": self.generation, "replica": replica, **state}

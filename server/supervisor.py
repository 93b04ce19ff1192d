"""Starts, watches and restarts the processes of one server; owns the listening socket and the folder of private ones.

It neither serves nor computes, so that it has no reason to fall over. Every worker's state goes to the front, down the
front's lifeline, whenever it changes.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.plan import Plan, write_plan
from server.process import Process

STOP_SECONDS = 12.0  # the front's drain, and a little
START_SECONDS = 60.0


@dataclass(slots=True)
class Supervisor:
    """The processes of `plan`, serving on `listening`."""

    plan: Plan
    listening: socket.socket
    front: Process = field(init=False)
    workers: dict[str, Process] = field(init=False)
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _signals: int = 0

    def __post_init__(self) -> None:
        path = str(write_plan(self.plan))
        self.workers = {
            name: Process(f"worker {name}", ("server.worker", path, name), on_change=self._changed(name))
            for name in self.plan.worker_names()
        }
        fd = self.listening.fileno()
        self.front = Process(
            "front", ("server.front", path, str(fd)), inherit=(fd,), on_change=self._introduce, fatal_ends=True
        )

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until told to stop. Calls `on_ready` once, when the first start is over.

        Raises:
            ChildError: the front cannot start.
        """
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._signalled)
        processes = [self.front, *self.workers.values()]
        keepers = [asyncio.create_task(process.keep(), name=process.name) for process in processes]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await self._started(stopping, keepers[0])
            if not (self._stopping.is_set() or keepers[0].done()):
                on_ready()
            await asyncio.wait([stopping, keepers[0]], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            await self._stop()
            await asyncio.gather(*keepers, return_exceptions=True)
        keepers[0].result()  # what the front failed of

    async def _started(self, stopping: asyncio.Task[bool], front: asyncio.Task[None]) -> None:
        """Wait until every process is ready or has failed once, or the front has given up."""
        processes = [self.front, *self.workers.values()]
        everyone = asyncio.create_task(_all(process.settled for process in processes))
        await asyncio.wait([everyone, stopping, front], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        everyone.cancel()

    async def _stop(self) -> None:
        """The front first, for its requests need the workers. New callers are refused, not left in our backlog."""
        self.listening.close()
        await self.front.stop(STOP_SECONDS)
        await asyncio.gather(*(worker.stop(STOP_SECONDS) for worker in self.workers.values()))

    def _signalled(self) -> None:
        """Stop; asked a second time, at once."""
        self._signals += 1
        self._stopping.set()
        if self._signals > 1:
            for process in [self.front, *self.workers.values()]:
                process.kill()

    def _changed(self, name: str) -> Callable[[Process], None]:
        return lambda process: self.front.tell(_state(name, process))

    def _introduce(self, front: Process) -> None:
        """A front that has just been spawned knows nothing of the workers yet."""
        if front.phase == "starting":
            for name, worker in self.workers.items():
                front.tell(_state(name, worker))


async def _all(events: Iterable[asyncio.Event]) -> bool:
    for event in events:
        await event.wait()
    return True


def _state(name: str, process: Process) -> dict[str, object]:
    return {"worker": name, "phase": process.phase, "pid": process.pid, "restarts": process.restarts}

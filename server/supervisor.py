"""Starts, watches and restarts the processes of one server; owns the listening socket and the folder of private ones.

It neither serves nor computes, so that it has no reason to fall over. Every worker's state goes to the front, down the
front's lifeline, whenever it changes.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from server.board import Board, make_board
from server.heartbeat import watch
from server.plan import DRAIN_SECONDS, Plan, write_plan
from server.process import Process
from server.switchboard import Order, Switchboard

FRONT_SECONDS = DRAIN_SECONDS + 0.5
STOP_SECONDS = DRAIN_SECONDS + 1.0  # that all of it takes at most
START_SECONDS = 60.0


@dataclass(slots=True)
class Supervisor:
    """The processes of `plan`, serving on `listening`."""

    plan: Plan
    listening: socket.socket
    fronts: list[Process] = field(init=False)
    workers: dict[tuple[str, int], Process] = field(init=False)
    _board: Board = field(init=False)
    _switchboard: Switchboard = field(init=False, default_factory=Switchboard)
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _signs: list[signal.Signals] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        path, fd = str(write_plan(self.plan)), self.listening.fileno()
        server = self.plan.config.server
        hung = server.hung_ms / 1e3
        make_board(self.plan.board, server.fronts)
        self._board = Board(self.plan.board)
        self.workers = {
            (name, replica): Process(
                self.plan.worker_name(name, replica),
                ("server.worker", path, name, str(replica)),
                on_change=partial(self._changed, name, replica),
                hung=hung,
            )
            for name, count in self.plan.workers().items()
            for replica in range(count)
        }
        self.fronts = [
            Process(
                self.plan.front_name(index),
                ("server.front", path, str(fd), str(index)),
                inherit=(fd,),
                on_change=partial(self._introduce, index),
                on_message=self._asked,
                fatal_ends=True,
                hung=hung,
            )
            for index in range(server.fronts)
        ]

    @property
    def processes(self) -> list[Process]:
        """All of them."""
        return [*self.fronts, *self.workers.values()]

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until told to stop. Calls `on_ready` once, when the first start is over.

        Raises:
            ChildError: a front cannot start.
        """
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._signalled, sign)
        keepers = [asyncio.create_task(process.keep(), name=process.name) for process in self.processes]
        ending = {asyncio.create_task(self._stopping.wait()), *keepers[: len(self.fronts)]}
        watching = asyncio.create_task(watch(self.processes))
        try:
            await self._started(ending)
            if not any(task.done() for task in ending):
                on_ready()
            await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            self._stopping.set()
            await self._stop()
            ended = await asyncio.gather(*keepers, return_exceptions=True)
        for error in ended[: len(self.fronts)]:  # what a front failed of
            if error is not None:
                raise error

    async def _started(self, ending: Iterable[asyncio.Task[Any]]) -> None:
        """Wait until every process is ready or has failed once, or a front has given up."""
        everyone = asyncio.create_task(_all(process.settled for process in self.processes))
        await asyncio.wait([everyone, *ending], timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        everyone.cancel()

    async def _stop(self) -> None:
        """The fronts first, for their requests need the workers. New callers are refused, not left in our backlog."""
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_SECONDS
        self.listening.close()
        sign = next(iter(self._signs), signal.SIGTERM)
        await asyncio.gather(*(front.stop(FRONT_SECONDS, sign) for front in self.fronts))
        await asyncio.gather(*(worker.stop(until - loop.time()) for worker in self.workers.values()))

    def _signalled(self, sign: signal.Signals) -> None:
        """Stop; asked a second time, at once."""
        self._signs.append(sign)
        self._stopping.set()
        if len(self._signs) > 1:
            for process in self.processes:
                process.kill()

    def _changed(self, name: str, replica: int, process: Process) -> None:
        self._tell(_state(name, replica, process))

    def _introduce(self, index: int, front: Process) -> None:
        """A front that has just been spawned knows nothing yet; one that is gone has no connections."""
        if front.phase == "starting":
            for (name, replica), worker in self.workers.items():
                front.tell(_state(name, replica, worker))
            front.tell(self._switchboard.message())
        elif front.phase == "away":
            self._board.erase(index)

    def _asked(self, message: dict[str, Any]) -> None:
        """A front asks for something that concerns all of them; what else it says was printed by a model."""
        with contextlib.suppress(msgspec.ValidationError):
            self._tell(self._switchboard.turn(msgspec.convert(message, Order)))

    def _tell(self, message: dict[str, object]) -> None:
        for front in self.fronts:
            front.tell(message)


async def _all(events: Iterable[asyncio.Event]) -> bool:
    for event in events:
        await event.wait()
    return True


def _state(name: str, replica: int, process: Process) -> dict[str, object]:
    state = {"phase": process.phase, "pid": process.pid, "restarts": process.restarts}
    return {"worker": name, "replica": replica, **state}

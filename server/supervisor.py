"""Starts, watches and restarts the processes of one server; owns the listening socket and the folder of private ones.

It neither serves nor computes, so that it has no reason to fall over. Every worker's state goes to the fronts, down
their lifelines, whenever it changes. What changes while it runs is in `server.reloading`.
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
from server.crew import Crew
from server.heartbeat import watch
from server.plan import DRAIN_SECONDS, Plan, plan_path, write_plan
from server.process import Process
from server.replies import Replies
from server.switchboard import Order, Switchboard

FRONT_SECONDS = DRAIN_SECONDS + 0.5
STOP_SECONDS = DRAIN_SECONDS + 1.0  # that all of it takes at most
START_SECONDS = 60.0


@dataclass(slots=True)
class Supervisor:
    """The processes of `plan`, serving on `listening`.

    `fronts` by their number, `crews` in the order in which they were started. Those that are about to take the place
    of others, and those that are about to end, are among the processes, too.
    """

    plan: Plan
    listening: socket.socket
    fronts: list[Process] = field(init=False)
    crews: list[Crew] = field(init=False, default_factory=list)
    processes: list[Process] = field(init=False, default_factory=list)
    replies: Replies = field(init=False, default_factory=Replies)
    started: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    succeeded: bool = False  # whether another server accepts on the same socket
    _every_front: list[Process] = field(init=False, default_factory=list)
    _keepers: dict[Process, asyncio.Task[None]] = field(init=False, default_factory=dict)
    _board: Board = field(init=False)
    _switchboard: Switchboard = field(init=False, default_factory=Switchboard)
    _signs: list[signal.Signals] = field(init=False, default_factory=list)

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until told to stop. Calls `on_ready` once, when the first start is over.

        Raises:
            ChildError: a front cannot start.
        """
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._signalled, sign)
        write_plan(self.plan)
        make_board(self.plan.board, self.plan.config.server.fronts)
        self._board = Board(self.plan.board)
        for name in self.plan.workers():
            self.hire(self.plan, name).plans.add(self.plan.number)
        self.fronts = [self.front(self.plan, index, fatal=True) for index in range(self.plan.config.server.fronts)]
        first = [self._keepers[front] for front in self.fronts]
        ending = {asyncio.create_task(self.stopping.wait()), *first}
        watching = asyncio.create_task(watch(self.processes))
        try:
            await self._started(ending)
            if not any(task.done() for task in ending):
                self.started.set()
                on_ready()
                await self.stopping.wait()
        finally:
            watching.cancel()
            self.stopping.set()
            await self._stop()
            await asyncio.wait(self._keepers.values())
        for keeper in first:  # what a front failed of
            keeper.result()

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
        if self.succeeded:
            self.tell({"succeeded": True})
        await asyncio.gather(*(front.stop(FRONT_SECONDS, sign) for front in self._every_front))
        await asyncio.gather(*(process.stop(until - loop.time()) for process in self.processes))

    def hire(self, plan: Plan, name: str) -> Crew:
        """Start the workers of the backend `name` of `plan`."""
        crew = Crew(name, plan.generation(name), plan.matter(name))
        crew.workers = [self._worker(plan, crew, replica) for replica in range(plan.workers()[name])]
        self.crews.append(crew)
        for worker in crew.workers:
            self._keep(worker)
        return crew

    async def dismiss(self, crew: Crew) -> None:
        """End workers whom nobody asks any more."""
        self.crews.remove(crew)
        await asyncio.gather(*(self.end(worker) for worker in crew.workers))

    def front(self, plan: Plan, index: int, *, fatal: bool = False) -> Process:
        """Start the front number `index` of `plan`; `fatal`: that it cannot start ends the server."""
        front = Process(
            plan.front_name(index),
            self.front_arguments(plan, index),
            inherit=(self.listening.fileno(),),
            on_change=partial(self._introduce, index),
            on_message=lambda message: self._asked(front, message),
            fatal_ends=fatal,
            hung=plan.config.server.hung_ms / 1e3,
        )
        self._every_front.append(front)
        self._keep(front)
        return front

    def front_arguments(self, plan: Plan, index: int) -> tuple[str, ...]:
        """How the front number `index` of `plan` is started."""
        return ("server.front", str(plan_path(plan)), str(self.listening.fileno()), str(index))

    async def end(self, process: Process, seconds: float = STOP_SECONDS) -> None:
        """Have `process` end, and forget it."""
        await process.stop(seconds)
        keeper = self._keepers.pop(process)
        await asyncio.wait([keeper])
        self.processes.remove(process)
        if process in self._every_front:
            self._every_front.remove(process)

    def tell(self, message: dict[str, Any]) -> None:
        """Say something to all fronts."""
        for front in self._every_front:
            front.tell(message)

    def _worker(self, plan: Plan, crew: Crew, replica: int) -> Process:
        return Process(
            plan.worker_name(crew.name, replica),
            ("server.worker", str(plan_path(plan)), crew.name, str(replica)),
            on_change=lambda worker: self._changed(crew, replica),
            hung=plan.config.server.hung_ms / 1e3,
        )

    def _keep(self, process: Process) -> None:
        self.processes.append(process)
        self._keepers[process] = asyncio.create_task(process.keep(), name=process.name)

    def _signalled(self, sign: signal.Signals) -> None:
        """Stop; asked a second time, at once."""
        self._signs.append(sign)
        self.stopping.set()
        if len(self._signs) > 1:
            for process in self.processes:
                process.kill()

    def _changed(self, crew: Crew, replica: int) -> None:
        self.tell(crew.state(replica))

    def _introduce(self, index: int, front: Process) -> None:
        """A front that has just been spawned knows nothing yet; one that is gone has no connections."""
        if front.phase == "starting":
            for crew in self.crews:
                for state in crew.states():
                    front.tell(state)
            front.tell(self._switchboard.message())
        elif front.phase == "away":
            self.replies.lost(front)
            if front in self.fronts:
                self._board.erase(index)

    def _asked(self, front: Process, message: dict[str, Any]) -> None:
        """A front replies, or asks for what concerns all of them; what else it says was printed by a model."""
        if not self.replies.hear(front, message):
            with contextlib.suppress(msgspec.ValidationError):
                self.tell(self._switchboard.turn(msgspec.convert(message, Order)))


async def _all(events: Iterable[asyncio.Event]) -> bool:
    for event in events:
        await event.wait()
    return True

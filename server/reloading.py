"""What changes in a server while it runs: other settings, other versions, fresh processes; no request fails of it.

The next plan is made and checked as at a start. Workers are started only for backends that have changed; when they are
ready, all fronts compose the plan beside the one that they serve; when all have, they swap. Whatever goes wrong before
that changes nothing. The workers of the plan before stay for a moment, so that the way back is short.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from models.errors import ChorusError
from server.config import ConfigError
from server.crew import Crew
from server.plan import Plan, plan_path, write_plan
from server.process import Process
from server.source import Source
from server.successor import changes, is_same, obstacle, successor
from server.supervisor import START_SECONDS, Supervisor

log = logging.getLogger(__name__)

COMPOSE_SECONDS = 60.0  # models that are inline are read then
SWAP_SECONDS = 5.0
STANDBY_SECONDS = 30.0  # that workers are kept which the plan before needs

Say = Callable[[str], None]


class Refused(ChorusError):
    """Nothing was changed, and why."""


class Reloading:
    """Of the `supervisor`, from `source`; one reload at a time."""

    def __init__(self, supervisor: Supervisor, source: Source) -> None:
        self._supervisor = supervisor
        self._source = source
        self._number = supervisor.plan.number
        self._lock = asyncio.Lock()
        self._before: Plan | None = None
        self._before_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def reload(self, say: Say, *, restart: bool = False) -> str:
        """Take up what has changed; what that was. With `restart` all processes are replaced by fresh ones.

        Raises:
            ChorusError, ConfigError: why nothing was changed.
        """
        await self._supervisor.started.wait()
        async with self._lock:
            if self._supervisor.stopping.is_set():
                raise Refused("it is about to end")
            began = time.monotonic()
            plan = await self._next_plan(say, restart=restart)
            if plan is None:
                return "nothing has changed"
            told = ", ".join(changes(self._supervisor.plan, plan)) or "fresh processes" * restart or "settings changed"
            hired: list[Crew] = []
            try:
                await self._hire(plan, hired, say, one_by_one=restart)
                await (self._replace(plan, say) if restart else self._swap(plan, say))
            except BaseException:
                for crew in hired:
                    self._own(self._supervisor.dismiss(crew))
                raise
            return f"{told}, after {time.monotonic() - began:.1f} s"

    async def logged(self) -> None:
        """A reload that nobody waits for, as after a signal."""
        try:
            log.info("reloaded: %s", await self.reload(log.info))
        except (ChorusError, ConfigError) as error:
            log.error("not reloaded, nothing has changed: %s", error)

    async def _next_plan(self, say: Say, *, restart: bool) -> Plan | None:
        """Checked; None if it is as the one that is served."""
        old, crews = self._supervisor.plan, () if restart else self._supervisor.crews
        self._number += 1

        def warn(warning: str) -> None:
            say(f"warning: {warning}")

        made = await asyncio.to_thread(self._source.plan, Path(old.folder), warn, self._number)
        if reason := obstacle(old, made, restart=restart):
            raise Refused(reason)
        plan = successor(made, crews)
        if not restart and is_same(old, plan):
            return None
        write_plan(plan)
        return plan

    async def _hire(self, plan: Plan, hired: list[Crew], say: Say, *, one_by_one: bool) -> None:
        """Start the workers that are not there, and wait until they are ready."""
        there = {(crew.name, crew.generation) for crew in self._supervisor.crews}
        for name in plan.workers():
            if (name, plan.generation(name)) not in there:
                say(f"starting {', '.join(plan.worker_name(name, at) for at in range(plan.workers()[name]))}")
                hired.append(self._supervisor.hire(plan, name))
                if one_by_one:
                    await self._ready(hired[-1:])
        await self._ready(hired)

    async def _ready(self, crews: list[Crew]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                for crew in crews:
                    await crew.settled()
        if trouble := "; ".join(filter(None, (crew.trouble for crew in crews))):
            raise Refused(trouble)

    async def _swap(self, plan: Plan, say: Say) -> None:
        """Have all fronts compose `plan`, and then serve it."""
        supervisor, fronts = self._supervisor, tuple(self._supervisor.fronts)
        pids = [front.pid for front in fronts]
        say("composing")
        said = [supervisor.replies.expect(front, "composed", plan.number) for front in fronts]
        self._tell_of(plan, fronts)
        await asyncio.wait(said, timeout=COMPOSE_SECONDS)
        trouble = [f"{front.name}: {_said(one)}" for front, one in zip(fronts, said, strict=True) if _said(one)]
        if trouble or pids != [front.pid for front in fronts]:
            supervisor.tell({"discard": plan.number})
            raise Refused("; ".join(trouble) or "a front was started anew meanwhile")
        swapped = [supervisor.replies.expect(front, "swapped", plan.number) for front in fronts]
        released = [supervisor.replies.expect(front, "released", supervisor.plan.number) for front in fronts]
        for index, front in enumerate(fronts):  # without a pause: whoever dies from now on starts with the new plan
            front.arguments = supervisor.front_arguments(plan, index)
            front.tell({"swap": plan.number})
        self._pass_to(plan, released)
        await asyncio.wait(swapped, timeout=SWAP_SECONDS)
        for front, one in zip(fronts, swapped, strict=True):
            if why := _said(one):
                log.error("%s has not swapped (%s); replacing it", front.name, why)
                front.replace("it has not swapped")

    def _tell_of(self, plan: Plan, fronts: tuple[Process, ...]) -> None:
        for front in fronts:
            front.tell({"compose": str(plan_path(plan))})
            for crew in self._supervisor.crews:
                for state in crew.states():
                    front.tell(state)

    async def _replace(self, plan: Plan, say: Say) -> None:
        """Start fresh fronts for `plan`; when all are ready, have the others leave."""
        supervisor, old = self._supervisor, tuple(self._supervisor.fronts)
        fresh: list[Process] = []
        try:
            for index in range(len(old)):
                say(f"starting {plan.front_name(index)}")
                fresh.append(supervisor.front(plan, index))
                await _started(fresh[-1])
        except BaseException:
            for front in fresh:
                self._own(self._leave(front))
            raise
        supervisor.fronts = fresh
        leaving = [self._own(self._leave(front)) for front in old]
        self._pass_to(plan, leaving)
        say("waiting for the last requests of the old processes")
        await asyncio.wait(leaving)

    async def _leave(self, front: Process) -> None:
        """Others accept in its place."""
        front.tell({"succeeded": True})
        await self._supervisor.end(front)

    def _pass_to(self, plan: Plan, over: "list[asyncio.Future[str]] | list[asyncio.Task[None]]") -> None:
        """`plan` is served; the one before is over when all of `over` are done."""
        self._before, self._supervisor.plan = self._supervisor.plan, plan
        self._before_until = time.monotonic() + STANDBY_SECONDS
        for crew in self._supervisor.crews:
            if _is_of(crew, plan):
                crew.plans.add(plan.number)
        self._own(self._clear(self._before.number, over))

    async def _clear(self, number: int, over: "list[asyncio.Future[str]] | list[asyncio.Task[None]]") -> None:
        """When the plan of that `number` is over dismiss who was only there for it; later those that were kept, too."""
        await asyncio.wait(over)
        for crew in self._supervisor.crews:
            crew.plans.discard(number)
        await self._dismiss_unneeded()
        await asyncio.sleep(STANDBY_SECONDS + 0.1)
        await self._dismiss_unneeded()

    async def _dismiss_unneeded(self) -> None:
        async with self._lock:
            before = self._before if time.monotonic() < self._before_until else None
            unneeded = [
                crew
                for crew in self._supervisor.crews
                if not crew.plans and not (before is not None and _is_of(crew, before))
            ]
            await asyncio.gather(*map(self._supervisor.dismiss, unneeded))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _started(front: Process) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(front.settled.wait(), START_SECONDS)
    if front.phase != "ready":
        raise Refused(f"{front.name} did not come up: {front.trouble or 'it takes too long'}")


def _is_of(crew: Crew, plan: Plan) -> bool:
    return crew.name in plan.workers() and plan.generation(crew.name) == crew.generation


def _said(reply: asyncio.Future[str]) -> str:
    """Why not; nothing if all is well."""
    return reply.result() if reply.done() else "no answer"

"""A front's side of a reload: the next composition is made beside the one that serves, and takes its place at once.

The supervisor says when. First all fronts `compose` the plan that it names, and say that they have, or why they cannot;
then they `swap`, or `discard` it. The old composition is closed when its last request has ended.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from models.errors import ChorusError
from server.compose import Composer
from server.composition import Composition, Current
from server.config import ConfigError
from server.plan import Plan, read_plan
from server.shares import share_of
from server.states import WorkerStates
from server.switching import Switching

log = logging.getLogger(__name__)


class Succession:
    """Of the front number `index`, which begins with `plan`; `tell` speaks to the supervisor."""

    def __init__(self, plan: Plan, index: int, switching: Switching, tell: Callable[..., None]) -> None:
        self._index = index
        self._switching = switching
        self._tell = tell
        self._plan = plan
        self._plans: dict[int, Plan] = {}  # of all compositions that are there or being made, by number
        self._states: dict[tuple[str, int], WorkerStates] = {}
        self._next: Composition | None = None
        self._composing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._expect(plan)

    async def first(self, composer: Composer) -> Current:
        """What is served at the start, made by `composer`, who makes what follows, too."""
        self._composer = composer
        composition = await self._compose(self._plan)
        composer.adopt(composition)
        self._current = Current(composition)
        self._switching.attach(self._current)
        return self._current

    def hear(self, message: dict[str, Any]) -> None:
        """What the supervisor says about one worker, or of the next plan."""
        if "worker" in message:
            states = self._states.get((message["worker"], message["generation"]))
            if states is not None:
                states.hear(message["replica"], message["phase"], message["pid"], message["restarts"])
        elif "compose" in message:
            plan = read_plan(message["compose"])
            self._expect(plan)
            self._composing = self._own(self._prepare(plan))
        elif "swap" in message:
            self._swap(message["swap"])
        elif "discard" in message:
            self._own(self._discard(message["discard"]))

    def _expect(self, plan: Plan) -> None:
        """The supervisor will say something of the workers of `plan`."""
        self._plans[plan.number] = plan
        for name, count in plan.workers().items():
            self._states.setdefault((name, plan.generation(name)), WorkerStates(count))

    def _forget(self, number: int) -> None:
        """Plan `number` is over, and so are workers that were only for it."""
        self._plans.pop(number, None)
        alive = {(name, plan.generation(name)) for plan in self._plans.values() for name in plan.workers()}
        for key in self._states.keys() - alive:
            del self._states[key]

    async def _compose(self, plan: Plan) -> Composition:
        return await self._composer.compose(share_of(plan, self._index), self._states)

    async def _prepare(self, plan: Plan) -> None:
        try:
            self._next = await self._compose(plan)
        except (ChorusError, ConfigError, OSError) as error:
            self._tell(refused=plan.number, why=str(error))
        except Exception as error:
            log.exception("a bug")
            self._tell(refused=plan.number, why=f"a bug in the front, whose log says more ({type(error).__name__})")
        else:
            self._tell(composed=plan.number)

    def _swap(self, number: int) -> None:
        if self._next is None or number not in self._plans:
            self._tell(refused=number, why="it was started anew meanwhile")
            return
        old, before = self._current.composition, self._plan.number
        self._plan, composition, self._next = self._plans[number], self._next, None
        self._composer.adopt(composition)
        self._switching.apply(composition)
        self._current.composition = composition
        self._tell(swapped=number)
        self._own(self._release(old, before))

    async def _release(self, old: Composition, number: int) -> None:
        await old.uses.ended()
        await self._composer.release(old)
        self._forget(number)
        self._tell(released=number)

    async def _discard(self, number: int) -> None:
        if self._composing is not None:
            self._composing.cancel()
            await asyncio.wait([self._composing])
        if self._next is not None:
            composition, self._next = self._next, None
            await self._composer.release(composition)
        self._forget(number)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

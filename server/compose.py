"""From plans to compositions: opens what backends need, passes it in, and closes it when nobody needs it any more.

What is the same in one composition and the next is the same object in both: its connections, its model, what is known
of it and what it remembers live on, and calls that wait for each other still do. Of a backend that has changed, what
was counted goes on under its name; breakers, learned times and kept answers begin anew.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType

from aggregator.brown_out import BrownOut
from aggregator.reaper import Reaper
from backends.aside import Aside
from backends.batching import Batching
from backends.channel import Channel
from backends.served import Served
from models.registry import Registry
from server.composites.kind import CompositeSettings, Context, Misfit
from server.composites.serving import composite
from server.composition import Composition
from server.config import ConfigError
from server.consistency import innermost_first, parts_of, table_of
from server.kinds import Backend
from server.loading import version_of
from server.opening import open_local, open_remote, open_workers
from server.plan import Plan
from server.settings import RemoteSettings
from server.spares import Spares
from server.states import AllStates
from server.threads import thread_for


@dataclass(slots=True, eq=False)
class Holding:
    """One name of one or several compositions: what it was `made_of`, and what is to be closed in the end."""

    made_of: tuple[object, ...]
    served: Served
    opened: AsyncExitStack
    batching: Batching | None
    compositions: set[int] = field(default_factory=set)  # their identities


class Composer:
    """Makes one composition after the other; closes what is left in the end."""

    def __init__(self) -> None:
        self._brown_out: BrownOut | None = None
        self._reaper = Reaper()
        self._threads = ExitStack()
        self._aside = Aside(self._threads.enter_context(thread_for("pooling")))
        self._spares = Spares()
        self._newest: dict[str, Holding] = {}  # of the composition that was adopted last
        self._made: dict[int, dict[str, Holding]] = {}

    async def compose(self, plan: Plan, states: AllStates) -> Composition:
        """Everything that the plan's configuration names. `states` are the workers', which someone else updates.

        Raises:
            ConfigError: the parts of a composite do not fit together.
        """
        held: dict[str, Holding] = {}
        if self._brown_out is None:  # which ensembles share, those that stay, too
            self._brown_out = BrownOut(enabled=plan.config.server.brown_out)
        try:
            registry = Registry(plan.registry_path)
            for name in plan.config.backends:
                held[name] = self._kept(name, plan.making(name)) or await self._backend(plan, registry, name, states)
            for name in innermost_first(plan.config.composites):
                held[name] = self._composite(name, plan.config.composites[name], held, self._brown_out)
        except BaseException:
            await self._close(held)
            raise
        served = {name: held[name].served for name in plan.config.names}
        composition = Composition(served, plan.config.default, plan.config.debug.drills, self._brown_out)
        self._made[id(composition)] = held
        for holding in held.values():
            holding.compositions.add(id(composition))
        return composition

    def adopt(self, composition: Composition) -> None:
        """From now on `composition` is the one that requests take."""
        self._newest = self._made[id(composition)]
        for holding in self._newest.values():
            holding.served.statistics.batching = holding.batching
        self._spares.served = {name: holding.served for name, holding in self._newest.items()}

    async def release(self, composition: Composition) -> None:
        """Close what was only for `composition`; nobody asks it any more."""
        held = self._made.pop(id(composition))
        for holding in held.values():
            holding.compositions.discard(id(composition))
        await self._close(held)

    async def __aenter__(self) -> "Composer":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for held in reversed(self._made.values()):
            for holding in held.values():
                holding.compositions.clear()
            await self._close(held)
        await self._reaper.close()
        self._threads.close()

    async def _close(self, held: Mapping[str, Holding]) -> None:
        for holding in reversed(list(held.values())):  # composites before their parts
            if not holding.compositions:
                await holding.opened.aclose()

    def _kept(self, name: str, made_of: tuple[object, ...]) -> Holding | None:
        """What is adopted under `name` already, if it is the same."""
        holding = self._newest.get(name)
        return holding if holding is not None and holding.made_of == made_of else None

    def _before(self, name: str) -> Served | None:
        """What is adopted under `name`, whatever it is."""
        return self._newest[name].served if name in self._newest else None

    async def _backend(self, plan: Plan, registry: Registry, name: str, states: AllStates) -> Holding:
        async with AsyncExitStack() as opened:
            served = _with_key(await self._open(opened, plan, registry, name, states), plan.config.backends[name])
            return self._holding(plan.making(name), served, opened.pop_all())

    async def _open(
        self, opened: AsyncExitStack, plan: Plan, registry: Registry, name: str, states: AllStates
    ) -> Served:
        settings, drills = plan.config.backends[name], plan.config.debug.drills
        before = self._before(name)
        counted = None if before is None else before.statistics
        if isinstance(settings, RemoteSettings):
            return await open_remote(opened, name, settings, self._spares.of(name), counted=counted, drills=drills)
        version = version_of(settings, registry, plan.pinned[name])
        if settings.inline:
            return await open_local(opened, name, settings, version, counted=counted, drills=drills)
        count = plan.workers()[name]
        channels = [Channel(plan.socket(name, replica), longest=plan.longest_call) for replica in range(count)]
        of_workers = states[name, plan.generation(name)]
        spare = self._spares.of(name)
        return open_workers(
            opened, name, settings, version, channels, of_workers, spare, counted=counted, drills=drills
        )

    def _composite(
        self, name: str, settings: CompositeSettings, held: Mapping[str, Holding], brown_out: BrownOut
    ) -> Holding:
        made_of = (settings, *(held[part] for part in parts_of(settings)))  # holdings are equal if they are the same
        if (kept := self._kept(name, made_of)) is not None:
            return kept
        opened = AsyncExitStack()
        parts = {part: holding.served for part, holding in held.items()}
        try:
            context = Context(self._reaper, opened, brown_out, self._aside)
            served = composite(name, settings, parts, context, before=self._before(name))
        except Misfit as error:
            raise ConfigError(f"[{table_of(name, settings)}] {error}") from error
        return self._holding(made_of, served, opened)

    def _holding(self, made_of: tuple[object, ...], served: Served, opened: AsyncExitStack) -> Holding:
        """What was just made; until it is adopted, its batches are not those that are shown."""
        batching = served.statistics.batching
        before = self._newest.get(served.name)
        if before is not None:
            served.statistics.batching = before.batching
            if batching is not None and before.batching is not None:
                batching.rows = before.batching.rows
        return Holding(made_of, served, opened, batching)


@asynccontextmanager
async def composed(plan: Plan, states: AllStates) -> AsyncIterator[Composition]:
    """The one composition of a plan.

    Raises:
        ConfigError: the parts of a composite do not fit together.
    """
    async with Composer() as composer:
        composition = await composer.compose(plan, states)
        composer.adopt(composition)
        yield composition


def _with_key(served: Served, settings: Backend) -> Served:
    """Callers say the key of a canary whether there is one or not."""
    root, _, name = (getattr(settings, "canary_key", None) or "").partition(".")
    return replace(served, extra=frozenset({name})) if root == "parameters" else served

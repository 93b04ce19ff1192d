"""From a plan to a composition: opens what backends need, passes it in, and closes it in the end."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from aggregator.brown_out import BrownOut
from aggregator.reaper import Reaper
from backends.channel import Channel
from backends.served import Served
from models.registry import Registry
from server.composites.kind import CompositeSettings, Context, Misfit
from server.composites.serving import composite
from server.composition import Composition
from server.config import ConfigError
from server.consistency import innermost_first, table_of
from server.kinds import Backend
from server.layering import Spare
from server.loading import version_of
from server.opening import open_local, open_remote, open_workers
from server.plan import Plan
from server.settings import RemoteSettings
from server.spares import Spares
from server.states import WorkerStates


@asynccontextmanager
async def composed(plan: Plan, states: Mapping[str, WorkerStates]) -> AsyncIterator[Composition]:
    """Everything that the plan's configuration names. `states` are those of the workers, which someone else updates.

    Raises:
        ConfigError: the parts of a composite do not fit together.
    """
    registry = Registry(plan.registry_path)
    async with AsyncExitStack() as opened:
        context = Context(Reaper(), opened, BrownOut(enabled=plan.config.server.brown_out))
        opened.push_async_callback(context.reaper.close)
        served: dict[str, Served] = {}
        spares = Spares()
        for name in plan.config.backends:
            opened_one = await _open(opened, plan, registry, name, states, spares.of(name))
            served[name] = _with_key(opened_one, plan.config.backends[name])
        for name in innermost_first(plan.config.composites):
            served[name] = _composite(name, plan.config.composites[name], served, context)
        spares.served = served
        names, drills = plan.config.names, plan.config.debug.drills
        yield Composition({name: served[name] for name in names}, plan.config.default, drills, context.brown_out)


async def _open(
    opened: AsyncExitStack, plan: Plan, registry: Registry, name: str, states: Mapping[str, WorkerStates], spare: Spare
) -> Served:
    settings, drills = plan.config.backends[name], plan.config.debug.drills
    if isinstance(settings, RemoteSettings):
        return await open_remote(opened, name, settings, spare, drills=drills)
    version = version_of(settings, registry, plan.pinned[name])
    if settings.inline:
        return await open_local(opened, name, settings, version, drills=drills)
    count = plan.workers()[name]
    channels = [Channel(plan.socket(name, replica), longest=plan.longest_call) for replica in range(count)]
    return open_workers(opened, name, settings, version, channels, states[name], spare, drills=drills)


def _with_key(served: Served, settings: Backend) -> Served:
    """Callers say the key of a canary whether there is one or not."""
    root, _, name = (getattr(settings, "canary_key", None) or "").partition(".")
    return replace(served, extra=frozenset({name})) if root == "parameters" else served


def _composite(name: str, settings: CompositeSettings, served: Mapping[str, Served], context: Context) -> Served:
    try:
        return composite(name, settings, served, context)
    except Misfit as error:
        raise ConfigError(f"[{table_of(name, settings)}] {error}") from error

"""From a plan to a composition: opens what backends need, passes it in, and closes it in the end."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import Member, assemble
from aggregator.reaper import Reaper
from aggregator.rules import DEFAULT_RULE, integer_weights, make_rule
from aggregator.tally import quorum_of
from backends.layers.observe import Observe
from backends.served import Served, State
from backends.statistics import Statistics
from models.registry import Registry
from server.composition import Composition
from server.opening import open_local, open_remote, open_worker
from server.plan import Plan
from server.settings import EnsembleSettings, LocalSettings, RemoteSettings


@asynccontextmanager
async def composed(plan: Plan, states: Mapping[str, State]) -> AsyncIterator[Composition]:
    """Everything that the plan's configuration names. `states` are those of the workers, which someone else updates.

    Raises:
        ValueError: members of an ensemble do not fit together.
    """
    registry = Registry(plan.registry_path)
    async with AsyncExitStack() as opened:
        reaper = Reaper()
        opened.push_async_callback(reaper.close)
        served: dict[str, Served] = {}
        for name in plan.config.backends:
            served[name] = await _open(opened, plan, registry, name, states)
        for name in _innermost_first(plan.config.ensembles):
            served[name] = _ensemble(name, plan.config.ensembles[name], served, reaper)
        ordered = [*plan.config.ensembles, *plan.config.backends]
        yield Composition({name: served[name] for name in ordered}, plan.config.default)


@asynccontextmanager
async def composed_alone(plan: Plan, name: str) -> AsyncIterator[Composition]:
    """One model of the registry and nothing else: what a worker serves."""
    settings = plan.config.backends[name]
    assert isinstance(settings, LocalSettings)  # noqa: S101 - only these have workers
    async with AsyncExitStack() as opened:
        version = Registry(plan.registry_path).resolve(plan.pinned[name])
        yield Composition({name: await open_local(opened, name, settings, version)}, name)


async def _open(
    opened: AsyncExitStack, plan: Plan, registry: Registry, name: str, states: Mapping[str, State]
) -> Served:
    settings = plan.config.backends[name]
    if isinstance(settings, RemoteSettings):
        return await open_remote(opened, name, settings)
    version = registry.resolve(plan.pinned[name])
    if settings.inline:
        return await open_local(opened, name, settings, version)
    return await open_worker(opened, name, settings, version, plan.socket(name), states[name])


def _ensemble(name: str, settings: EnsembleSettings, served: Mapping[str, Served], reaper: Reaper) -> Served:
    try:
        signature, members = assemble([served[one] for one in settings.members], settings.weights, settings.required)
        rule_name = settings.rule or DEFAULT_RULE[signature.task]
        rule = make_rule(rule_name, signature.task, len(signature.labels))
    except ValueError as error:
        raise ValueError(f"[ensembles.{name}]: {error}") from error
    terms = Terms(settings.quorum, settings.quorum_weight, settings.early, settings.linger_ms / 1e3)
    statistics = Statistics()
    ensemble = Ensemble(members, signature, rule, terms, reaper=reaper)
    weights = integer_weights([member.weight for member in members])
    return Served(
        name,
        Observe(ensemble, statistics=statistics),
        signature,
        _version_of(settings, members),
        settings.timeout_ms / 1e3,
        rule_name,
        members=tuple(settings.members),
        quorum=quorum_of(weights, settings.quorum, settings.quorum_weight).count,
        example=next((member.served.example for member in members if member.feed is None), None),
        statistics=statistics,
    )


def _version_of(settings: EnsembleSettings, members: Sequence[Member]) -> str:
    """A fingerprint: the same members, versions and settings are the same ensemble."""
    made_of = [settings, [member.served.version for member in members]]
    return hashlib.sha256(msgspec.json.encode(made_of)).hexdigest()[:12]


def _innermost_first(ensembles: Mapping[str, EnsembleSettings]) -> list[str]:
    """So that every member is there when it is needed; the configuration holds no cycles."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name in ensembles and name not in ordered:
            for member in ensembles[name].members:
                visit(member)
            ordered.append(name)

    for name in ensembles:
        visit(name)
    return ordered

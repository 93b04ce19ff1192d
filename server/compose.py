"""From a plan to a composition: opens what backends need, passes it in, and closes it in the end."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from aggregator.ensemble import Ensemble
from aggregator.feeding import examples_of
from aggregator.member import Member, assemble
from aggregator.reaper import Reaper
from aggregator.tally import quorum_of
from aggregator.weights import integer_weights
from backends.layers.gate import Gate
from backends.layers.observe import Observe
from backends.outcomes import Outcomes
from backends.served import Served, State
from backends.statistics import Statistics
from models.registry import Registry, Version
from models.runtimes.python import fingerprint
from server.composition import Composition
from server.config import ConfigError
from server.consistency import innermost_first
from server.functions import version_of_function
from server.opening import open_local, open_remote, open_worker
from server.plan import Plan
from server.settings import EnsembleSettings, LocalSettings, PythonSettings, RemoteSettings, rows_per_batch
from server.terms import rule_name, terms_of


@asynccontextmanager
async def composed(plan: Plan, states: Mapping[str, State]) -> AsyncIterator[Composition]:
    """Everything that the plan's configuration names. `states` are those of the workers, which someone else updates.

    Raises:
        ConfigError: members of an ensemble do not fit together.
    """
    registry = Registry(plan.registry_path)
    async with AsyncExitStack() as opened:
        reaper = Reaper()
        opened.push_async_callback(reaper.close)
        served: dict[str, Served] = {}
        for name in plan.config.backends:
            served[name] = await _open(opened, plan, registry, name, states)
        for name in innermost_first(plan.config.ensembles):
            served[name] = _ensemble(name, plan.config.ensembles[name], served, reaper)
        ordered = [*plan.config.ensembles, *plan.config.backends]
        yield Composition({name: served[name] for name in ordered}, plan.config.default)


@asynccontextmanager
async def composed_alone(plan: Plan, name: str) -> AsyncIterator[Composition]:
    """One model and nothing else: what a worker serves."""
    settings = plan.config.backends[name]
    assert not isinstance(settings, RemoteSettings)  # noqa: S101 - these have no workers
    async with AsyncExitStack() as opened:
        version = _version(settings, Registry(plan.registry_path), plan.pinned[name])
        yield Composition({name: await open_local(opened, name, settings, version)}, name)


async def _open(
    opened: AsyncExitStack, plan: Plan, registry: Registry, name: str, states: Mapping[str, State]
) -> Served:
    settings = plan.config.backends[name]
    if isinstance(settings, RemoteSettings):
        return await open_remote(opened, name, settings)
    version = _version(settings, registry, plan.pinned[name])
    if settings.inline:
        return await open_local(opened, name, settings, version)
    return await open_worker(opened, name, settings, version, plan.socket(name), states[name])


def _version(settings: LocalSettings | PythonSettings, registry: Registry, pinned: str) -> Version:
    return version_of_function(settings) if isinstance(settings, PythonSettings) else registry.resolve(pinned)


def _ensemble(name: str, settings: EnsembleSettings, served: Mapping[str, Served], reaper: Reaper) -> Served:
    try:
        asked = [served[one] for one in settings.members]
        signature, members = assemble(asked, settings.weights, settings.required)
        rule, terms = terms_of(settings, signature)
        terms = replace(terms, max_rows=rows_per_batch(settings.batch, _may_share(settings, asked)))
        weights = integer_weights([member.weight for member in members])
        ensemble = Ensemble(members, signature, rule, terms, reaper=reaper)
    except ValueError as error:
        raise ConfigError(f"[ensembles.{name}] {error}") from error
    statistics, outcomes, state = Statistics(), Outcomes(), State()
    return Served(
        name,
        Observe(Gate(ensemble, state=state), statistics=statistics, outcomes=outcomes),
        signature,
        _version_of(settings, members),
        settings.timeout_ms / 1e3,
        rule_name(settings, signature),
        members=tuple(settings.members),
        quorum=quorum_of(weights, terms.quorum, terms.quorum_weight).count,
        answerable=ensemble.answerable,
        examples=examples_of(signature.inputs, [(one.signature.inputs, one.examples) for one in asked]),
        state=state,
        statistics=statistics,
        outcomes=outcomes,
        batched=terms.max_rows is not None,
    )


def _may_share(settings: EnsembleSettings, members: Sequence[Served]) -> bool:
    """Whether requests may share a fan-out unbidden; a rule of the user's may look at other rows, too."""
    return all(member.batched for member in members) and ":" not in (settings.rule or "")


def _version_of(settings: EnsembleSettings, members: Sequence[Member]) -> str:
    """A fingerprint: the same members, versions and settings are the same ensemble."""
    code = fingerprint(settings.rule, Path(settings.path)) if settings.rule and ":" in settings.rule else ""
    settings = msgspec.structs.replace(settings, path=code)  # what a rule of the user's says, not where it lies
    made_of = [settings, [member.served.version for member in members]]
    return hashlib.sha256(msgspec.json.encode(made_of)).hexdigest()[:12]

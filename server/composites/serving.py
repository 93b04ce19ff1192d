"""From a kind's settings and its parts to what stands behind a name."""

import hashlib
from collections.abc import Mapping

import msgspec

from backends.layers.gate import Gate
from backends.layers.observe import Observe
from backends.outcomes import PartOutcomes
from backends.served import Served, State
from backends.statistics import Statistics
from server.composites import kind_of
from server.composites.kind import CompositeSettings, Context, Made


def composite(
    name: str,
    settings: CompositeSettings,
    served: Mapping[str, Served],
    context: Context,
    *,
    before: Served | None = None,
) -> Served:
    """What `settings` make of what is `served`, under its name; what was counted of the one `before` it goes on.

    Raises:
        Misfit: they do not fit together.
    """
    kind = kind_of(settings)
    parts = {part: served[part] for _, part in kind.parts(settings)}
    made = kind.make(name, settings, parts, context)
    statistics, state = Statistics() if before is None else before.statistics, State()
    statistics.batching = made.batching
    outcomes = made.outcomes if made.outcomes is not None else PartOutcomes()
    if before is not None and type(before.outcomes) is type(outcomes):
        outcomes = before.outcomes
    return Served(
        name,
        Observe(Gate(made.backend, state=state), statistics=statistics, outcomes=outcomes),
        made.signature,
        _version_of(settings, made, parts),
        made.timeout if settings.timeout_ms is None else settings.timeout_ms / 1e3,
        made.runtime,
        kind=kind.name,
        parts=tuple(parts),
        takes=made.takes,
        extra=made.extra.union(*(part.extra for part in parts.values())),
        answerable=made.answerable,
        about=made.about,
        details=made.details,
        measures=made.measures,
        revote=made.revote,
        lacking=made.lacking,
        batched=made.batched,
        retries=any(part.retries for part in parts.values()),
        examples=made.examples,
        state=state,
        statistics=statistics,
        outcomes=outcomes,
    )


def _version_of(settings: CompositeSettings, made: Made, parts: Mapping[str, Served]) -> str:
    """A fingerprint: the same parts, versions and settings are the same composite."""
    if "path" in settings.__struct_fields__:
        settings = msgspec.structs.replace(settings, path="")  # what the code there says counts, not where it lies
    made_of = [settings, made.code, [part.version for part in parts.values()]]
    return hashlib.sha256(msgspec.json.encode(made_of)).hexdigest()[:12]

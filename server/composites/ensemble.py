"""`[ensembles.NAME]`: backends that are asked at once, and how their answers become one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aggregator.rules import DEFAULT_QUORUM
from backends.outcomes import Outcomes
from backends.served import Served
from server.batching import batching_of
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part, repeated
from server.key import Key
from server.tables import unknown
from server.values import BatchSettings, Count, Label, Milliseconds, Share, Text, Weight

if TYPE_CHECKING:
    from server.settings import Config


class EnsembleSettings(CompositeSettings, frozen=True, kw_only=True, tag="ensemble"):
    """`[ensembles.NAME]`; None is the default of the rule or of the fan-out, and a weight that is not given is 1.

    `rule` may be a class of the user's, `pkg.mod:Class`; `path` is the folder that Python looks in first. `fallback`: a
    label, probabilities by label, or a number. `batch` None: if all members are.
    """

    members: tuple[Text, ...]
    rule: Text | None = None
    timeout_ms: Milliseconds = 1000
    quorum: Count | None = None
    quorum_weight: Share | None = None
    weights: dict[str, Weight] = {}
    required: tuple[Text, ...] = ()
    early: bool | None = None
    linger_ms: Milliseconds = 10
    min_agreement: Share | None = None
    fallback: Label | float | dict[str, float] | None = None
    batch: bool | BatchSettings | None = None
    path: Text = "."


KEYS = {
    "members": Key("the backends and compositions that are asked", ["first", "second"]),
    "rule": Key("how answers are combined; unless given log_pool for classifiers, mean for numbers", "log_pool"),
    "timeout_ms": Key("how long an answer may take, where the request does not say"),
    "quorum": Key("so many members must have answered; unless given more than half, by number and by weight", 2),
    "quorum_weight": Key("and so large a share of the weight", 0.5),
    "weights": Key("how much each vote counts; 1 unless given", {}),
    "required": Key("members without which there is no answer"),
    "early": Key("answer as soon as the label is decided; unless given only with rule hard", False),
    "linger_ms": Key("how long members may finish after an early answer"),
    "batch": Key("requests that come at once share one fan-out; unless given if all members do", True),
    "min_agreement": Key("rows with a smaller share of the weight behind their label are listed as disagreed", 0.8),
    "path": Key("the folder that the class of a rule of yours, 'module:Class', is in, seen from this file"),
    "fallback": Key("the answer without a quorum: a label, probabilities by label, or a number", "first"),
}


def _parts(settings: EnsembleSettings) -> Iterator[Part]:
    return (("members", member) for member in settings.members)


def _mistakes(ensemble: EnsembleSettings) -> Iterator[Fault]:
    members = dict.fromkeys(ensemble.members)
    if not members:
        yield "members", "expected at least one"
        return
    yield from repeated("members", ensemble.members)
    for key, names in (("weights", ensemble.weights), ("required", ensemble.required)):
        for name in names:
            if name not in members:
                yield key, unknown("member", name, members)
    yield from repeated("required", ensemble.required)
    if ensemble.quorum is not None and ensemble.quorum > len(members):
        yield "quorum", f"{ensemble.quorum} is more than there are members ({len(members)})"


def _doubts(ensemble: EnsembleSettings, config: "Config") -> Iterator[Fault]:
    for member in _blocking(ensemble):
        text = f"without {member!r} alone there is no quorum, whatever the others say: its weight is too large a share"
        yield "weights", text
    for member in ensemble.members if ensemble.rule != "hard" else ():
        if getattr(config.backends.get(member), "gives", None) == "labels":
            yield "rule", f'{member!r} gives labels only, which count as certain; they are made for rule = "hard"'


def _blocking(ensemble: EnsembleSettings) -> list[str]:
    """Members whose weight alone can block the quorum, where the count of members would not."""
    weights = {member: Fraction(repr(ensemble.weights.get(member, 1.0))) for member in ensemble.members}
    total, members = sum(weights.values()), len(weights)
    count = ensemble.quorum or DEFAULT_QUORUM.get(ensemble.rule or "", members // 2 + 1)
    if members - 1 < count:
        return []
    if ensemble.quorum_weight is not None:
        needed = Fraction(repr(ensemble.quorum_weight)) * total
        return [member for member, weight in weights.items() if total - weight < needed]
    if ensemble.quorum is not None or ensemble.rule in DEFAULT_QUORUM:
        return []
    return [member for member, weight in weights.items() if 2 * weight >= total]


def _make(name: str, settings: EnsembleSettings, parts: Mapping[str, Served], context: Context) -> Made:
    # here and not above, because workers read settings, too, and need none of this
    from aggregator.comparison import revote_of
    from aggregator.ensemble import Ensemble
    from aggregator.member import assemble
    from aggregator.tally import quorum_of
    from aggregator.weights import integer_weights
    from backends.feeding import examples_of
    from server.composites.terms import rule_name, terms_of

    asked = [parts[one] for one in dict.fromkeys(settings.members)]
    try:
        signature, members = assemble(asked, settings.weights, settings.required)
    except ValueError as error:
        raise Misfit(("members", str(error))) from error
    try:
        weights = integer_weights([member.weight for member in members])
    except ValueError as error:
        raise Misfit(("weights", str(error))) from error
    rule, terms = terms_of(settings, signature)
    batching = batching_of(settings.batch, safe=_may_share(settings, asked))
    ensemble = Ensemble(
        members,
        signature,
        rule,
        terms,
        reaper=context.reaper,
        batching=batching,
        brown_out=context.brown_out,
        aside=context.aside,
    )
    quorum = quorum_of(weights, terms.quorum, terms.quorum_weight).count
    return Made(
        backend=ensemble,
        signature=signature,
        answerable=ensemble.answerable,
        runtime=rule_name(settings, signature),
        takes=frozenset({"quorum", "early", "members"}),
        batched=batching is not None,
        batching=batching,
        examples=examples_of(signature.inputs, [(one.signature.inputs, one.examples) for one in asked]),
        outcomes=Outcomes(),
        about=_about(settings, quorum, rule_name(settings, signature)),
        revote=partial(revote_of, rule, {member.name: member.weight for member in members}),
        code=_code_of(settings),
        lacking="no quorum",
    )


def _code_of(settings: EnsembleSettings) -> str:
    """A fingerprint of a rule of the user's."""
    from models.runtimes.python import fingerprint

    return fingerprint(settings.rule, Path(settings.path)) if settings.rule and ":" in settings.rule else ""


def _may_share(settings: EnsembleSettings, members: Sequence[Served]) -> bool:
    """Whether requests may share a fan-out unbidden; a rule of the user's may look at other rows, too."""
    return all(member.batched for member in members) and ":" not in (settings.rule or "")


def _about(settings: EnsembleSettings, quorum: int, rule: str) -> Callable[[], Mapping[str, Any]]:
    shown = MappingProxyType({"members": settings.members, "quorum": quorum, "rule": rule})
    return lambda: shown


KIND = Kind(
    settings=EnsembleSettings,
    table="ensembles",
    about="Backends that are asked at once, and how their answers become one.",
    keys=KEYS,
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
    doubts=_doubts,
)

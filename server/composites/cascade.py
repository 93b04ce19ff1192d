"""`[cascades.NAME]`: the cheap members first, the dear ones only about what those are not sure of."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from aggregator.cascade import Cascade, Stage
from aggregator.comparison import revote_of
from aggregator.member import Member, assemble
from aggregator.rules import DEFAULT_RULE, Rule, make_rule
from aggregator.stages import Sureness
from aggregator.votes import LogPool
from aggregator.weights import integer_weights
from backends.feeding import examples_of
from backends.measures import Measure
from backends.outcomes import Outcomes
from backends.served import Served
from models.runtimes.python import fingerprint
from models.types import Signature
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part, repeated
from server.key import Key
from server.tables import unknown
from server.values import BatchSettings, Count, Milliseconds, Share, Spread, Text, Weight, rows_per_batch

MIN_AGREEMENT, MIN_CONFIDENCE = 1.0, 0.95


class CascadeSettings(CompositeSettings, frozen=True, kw_only=True, tag="cascade"):
    """`[cascades.NAME]`; None is a strict majority, the default of the rule, or 1.0 and 0.95.

    `quorum`: one for each stage. `max_spread` is for regressions, `min_agreement` and `min_confidence` for labels.
    `rule`, `path` and `batch` as of an ensemble.
    """

    stages: tuple[tuple[Text, ...], ...]
    rule: Text | None = None
    timeout_ms: Milliseconds = 1000
    quorum: tuple[Count, ...] | None = None
    weights: dict[str, Weight] = {}
    min_agreement: Share | None = None
    min_confidence: Share | None = None
    max_spread: Spread | None = None
    early: bool = False
    batch: bool | BatchSettings | None = None
    path: Text = "."

    @property
    def members(self) -> list[str]:
        """Whom it names, stage after stage."""
        return [name for stage in self.stages for name in stage]


KEYS = {
    "stages": Key("whom to ask: the cheap first, the dear only where those are not sure", [["first"], ["second"]]),
    "rule": Key("how answers are combined; unless given log_pool for classifiers, mean for numbers", "log_pool"),
    "timeout_ms": Key("how long an answer may take, all stages together, where the request does not say"),
    "quorum": Key(
        "so many of each stage must have answered; unless given more than half, by number and weight", [1, 1]
    ),
    "weights": Key("how much each vote counts; 1 unless given", {}),
    "min_agreement": Key("sure is a row with at least this share of the weight behind its label; unless given 1", 1.0),
    "min_confidence": Key("and with at least this probability of its label; unless given 0.95", 0.95),
    "max_spread": Key("of numbers: with at most this standard deviation between the members", 1.5),
    "early": Key("a row is done, too, when the members to come cannot change its label"),
    "batch": Key("requests that come at once share each stage; unless given if all members do", True),
    "path": Key("the folder that the class of a rule of yours, 'module:Class', is in, seen from this file"),
}


def _parts(settings: CascadeSettings) -> Iterator[Part]:
    return (("stages", member) for member in settings.members)


def _mistakes(cascade: CascadeSettings) -> Iterator[Fault]:
    if len(cascade.stages) < 2 or not all(cascade.stages):
        yield "stages", "expected at least two lists, with at least one name each"
        return
    yield from repeated("stages", cascade.members)
    for name in cascade.weights:
        if name not in cascade.members:
            yield "weights", unknown("member", name, cascade.members)
    if cascade.quorum is None:
        return
    if len(cascade.quorum) != len(cascade.stages):
        yield "quorum", f"expected one for each of the {len(cascade.stages)} stages, got {len(cascade.quorum)}"
        return
    for number, (count, stage) in enumerate(zip(cascade.quorum, cascade.stages, strict=True), 1):
        if count > len(stage):
            yield "quorum", f"{count} is more than there are members in stage {number} ({len(stage)})"


def _make(name: str, settings: CascadeSettings, parts: Mapping[str, Served], context: Context) -> Made:
    if any(_mistakes(settings)):
        raise Misfit  # which are told already
    asked = [parts[one] for one in settings.members]
    try:
        signature, members = assemble(asked, settings.weights, ())
    except ValueError as error:
        raise Misfit(("stages", str(error))) from error
    rule = rule_of(settings, signature)
    _check_weights(members)
    max_rows = rows_per_batch(settings.batch, all(one.batched for one in asked) and ":" not in (settings.rule or ""))
    cascade = Cascade(
        _stages(settings, members),
        signature,
        rule,
        _sureness(settings, signature),
        reaper=context.reaper,
        early=settings.early,
        max_rows=max_rows,
    )
    outcomes, called = Outcomes(), settings.rule or DEFAULT_RULE[signature.task]
    return Made(
        backend=cascade,
        signature=signature,
        answerable=cascade.answerable,
        runtime=called,
        takes=frozenset({"quorum", "early", "members"}),
        examples=examples_of(signature.inputs, [(one.signature.inputs, one.examples) for one in asked]),
        outcomes=outcomes,
        about=_about(settings, called),
        details=lambda: {"answers_by_stage": outcomes.stages, "rows_by_stage": outcomes.stage_rows},
        measures=lambda: _measures(outcomes),
        revote=partial(revote_of, rule, {member.name: member.weight for member in members}),
        code=fingerprint(settings.rule, Path(settings.path)) if settings.rule and ":" in settings.rule else "",
        lacking="no quorum",
    )


def _stages(settings: CascadeSettings, members: Sequence[Member]) -> list[Stage]:
    named = {member.name: member for member in members}
    quorums = settings.quorum or (None,) * len(settings.stages)
    return [
        Stage(tuple(named[one] for one in stage), quorum)
        for stage, quorum in zip(settings.stages, quorums, strict=True)
    ]


def rule_of(settings: CascadeSettings, signature: Signature) -> Rule:
    """Its rule, now that the labels are known. Raises: Misfit."""
    name = settings.rule or DEFAULT_RULE[signature.task]
    if name == "first":
        raise Misfit(("rule", "whoever answers first is sure of itself: choose another rule"))
    try:
        return make_rule(name, signature.task, len(signature.labels), Path(settings.path))
    except ValueError as error:
        raise Misfit(("rule", str(error))) from error


def _check_weights(members: Sequence[Member]) -> None:
    try:
        integer_weights([member.weight for member in members])
    except ValueError as error:
        raise Misfit(("weights", str(error))) from error


def _sureness(settings: CascadeSettings, signature: Signature) -> Sureness:
    """When a row is sure, as far as it ever can be."""
    if not signature.labels:
        return _of_numbers(settings)
    if settings.max_spread is not None:
        raise Misfit(("max_spread", "labels have none: it is for regressions"))
    confidence = MIN_CONFIDENCE if settings.min_confidence is None else settings.min_confidence
    most = _surest(settings, len(signature.labels))
    if confidence > most:
        text = (
            f"{confidence:g} is never reached: of {len(signature.labels)} labels log_pool is sure to at most {most:.3f}"
        )
        raise Misfit(("min_confidence", text))
    return Sureness(MIN_AGREEMENT if settings.min_agreement is None else settings.min_agreement, confidence)


def _of_numbers(settings: CascadeSettings) -> Sureness:
    for key in ("min_agreement", "min_confidence"):
        if getattr(settings, key) is not None:
            raise Misfit((key, "numbers have none: it is for classifications; say max_spread"))
    if settings.max_spread is None:
        raise Misfit(("max_spread", "missing: how far apart the numbers of members may be that are sure"))
    if len(settings.stages[0]) < 2:
        raise Misfit(("stages", "one number alone has no spread: the first stage needs at least two members"))
    return Sureness(max_spread=settings.max_spread)


def _surest(settings: CascadeSettings, classes: int) -> float:
    """The highest probability that its rule can give: the floor of `log_pool` keeps some for each other label."""
    if settings.rule not in (None, "log_pool"):
        return 1.0
    return 1 / (1 + (classes - 1) * LogPool(classes).floor)


def _about(settings: CascadeSettings, rule: str) -> Callable[[], Mapping[str, Any]]:
    shown = MappingProxyType({"stages": settings.stages, "rule": rule})
    return lambda: shown


def _measures(outcomes: Outcomes) -> Iterable[Measure]:
    for stage, count in sorted(outcomes.stages.items()):
        yield Measure("stage_answers", "Answers by the last stage that was needed.", count, {"stage": str(stage)})
    for stage, count in sorted(outcomes.stage_rows.items()):
        yield Measure("stage_rows", "Rows by the stage that decided them.", count, {"stage": str(stage)})


CASCADE = Kind(
    settings=CascadeSettings,
    table="cascades",
    about="The cheap members first, the dear ones only about what those are not sure of.",
    keys=KEYS,
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
)

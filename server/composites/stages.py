"""A cascade's settings as its stages, its rule, and when a row is sure, now that the labels are known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
from server.batching import batching_of
from server.composites.cascade import CascadeSettings
from server.composites.kind import Context, Made, Misfit

MIN_AGREEMENT, MIN_CONFIDENCE = 1.0, 0.95


def made(settings: CascadeSettings, parts: Mapping[str, Served], context: Context) -> Made:
    """The cascade of `parts`.

    Raises:
        Misfit: they do not fit together.
    """
    asked = [parts[one] for one in settings.members]
    try:
        signature, members = assemble(asked, settings.weights, ())
    except ValueError as error:
        raise Misfit(("stages", str(error))) from error
    rule = rule_of(settings, signature)
    _check_weights(members)
    may_share = all(one.batched for one in asked) and ":" not in (settings.rule or "")
    batching = batching_of(settings.batch, safe=may_share)
    cascade = Cascade(
        _stages(settings, members),
        signature,
        rule,
        _sureness(settings, signature),
        reaper=context.reaper,
        early=settings.early,
        batching=batching,
        aside=context.aside,
    )
    outcomes, called = Outcomes(), settings.rule or DEFAULT_RULE[signature.task]
    return Made(
        backend=cascade,
        signature=signature,
        answerable=cascade.answerable,
        runtime=called,
        takes=frozenset({"quorum", "early", "members"}),
        batching=batching,
        examples=examples_of(signature.inputs, [(one.signature.inputs, one.examples) for one in asked]),
        outcomes=outcomes,
        about=_about(settings, called),
        details=lambda: {"answers_by_stage": _by_name(outcomes.stages), "rows_by_stage": _by_name(outcomes.stage_rows)},
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


def _by_name(counts: Mapping[int, int]) -> dict[str, int]:
    """As JSON has them: another front's come so."""
    return {str(stage): count for stage, count in sorted(counts.items())}


def _measures(outcomes: Outcomes) -> Iterable[Measure]:
    for stage, count in sorted(outcomes.stages.items()):
        yield Measure("stage_answers", "Answers by the last stage that was needed.", count, {"stage": str(stage)})
    for stage, count in sorted(outcomes.stage_rows.items()):
        yield Measure("stage_rows", "Rows by the stage that decided them.", count, {"stage": str(stage)})

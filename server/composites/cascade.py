"""`[cascades.NAME]`: the cheap members first, the dear ones only about what those are not sure of."""

from collections.abc import Iterator, Mapping

from backends.served import Served
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part, repeated
from server.key import Key
from server.tables import unknown
from server.values import BatchSettings, Count, Milliseconds, Share, Spread, Text, Weight


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
    from server.composites.stages import made  # which workers, who read settings, too, do not need

    if any(_mistakes(settings)):
        raise Misfit  # which are told already
    return made(settings, parts, context)


KIND = Kind(
    settings=CascadeSettings,
    table="cascades",
    about="The cheap members first, the dear ones only about what those are not sure of.",
    keys=KEYS,
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
)

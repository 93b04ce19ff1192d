"""`[shadows.NAME]`: answers as its primary does; candidates are asked afterwards, never counted, only compared."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from backends.outcomes import Unrecorded
from backends.served import Served
from server.composites.kind import CompositeSettings, Context, Fault, Kind, Made, Misfit, Part, repeated
from server.key import Key
from server.tables import shown, unknown
from server.values import Count, Milliseconds, Share, Text, Weight

if TYPE_CHECKING:
    from aggregator.shadow import Candidate
    from server.settings import Config


class ShadowSettings(CompositeSettings, frozen=True, kw_only=True, tag="shadow"):
    """`[shadows.NAME]`; `timeout_ms` None is the primary's. `weights` are those that candidates would have as members.

    Numbers that differ by a share of `tolerance` at most agree.
    """

    primary: Text
    candidates: tuple[Text, ...]
    share: Share = 1.0
    limit: Count = 16
    candidate_timeout_ms: Milliseconds = 1000
    tolerance: Share = 0.01
    weights: dict[str, Weight] = {}


KEYS = {
    "primary": Key("who answers", "first"),
    "candidates": Key("who is asked the same, once the answer has left, and compared with it", ["second"]),
    "share": Key("of the requests that are answered, so many are asked about"),
    "limit": Key("so many calls of each candidate may be under way; those over it are dropped"),
    "candidate_timeout_ms": Key("how long a candidate may take"),
    "tolerance": Key("numbers that differ by a smaller share of themselves agree"),
    "weights": Key("how much the vote of a candidate would count; 1 unless given", {}),
    "timeout_ms": Key("how long an answer may take, where the request does not say; unless given as the primary", 500),
}


def _parts(settings: ShadowSettings) -> Iterator[Part]:
    yield "primary", settings.primary
    for candidate in settings.candidates:
        yield "candidates", candidate


def _mistakes(shadow: ShadowSettings) -> Iterator[Fault]:
    if not shadow.candidates:
        yield "candidates", "expected at least one"
    yield from repeated("candidates", shadow.candidates)
    if shadow.primary in shadow.candidates:
        yield "candidates", f"{shown(shadow.primary)} is the primary"
    for name in shadow.weights:
        if name not in shadow.candidates:
            yield "weights", unknown("candidate", name, shadow.candidates)


def _doubts(shadow: ShadowSettings, config: "Config") -> Iterator[Fault]:
    for name in shadow.candidates:
        if getattr(config.backends.get(name), "inline", False):
            yield "candidates", f"{name!r} is inline: what it computes in the server itself delays other answers"


def _make(name: str, settings: ShadowSettings, parts: Mapping[str, Served], context: Context) -> Made:
    # here and not above, because workers read settings, too, and need none of this
    from aggregator.shadow import Shadow
    from server.comparisons import measures_of, state_of

    if any(_mistakes(settings)):
        raise Misfit  # which are told already
    primary = parts[settings.primary]
    candidates = [_candidate(parts[one], primary, settings.weights.get(one, 1.0)) for one in settings.candidates]
    shadow = Shadow(
        primary.backend,
        candidates,
        primary.signature.labels,
        share=settings.share,
        limit=settings.limit,
        timeout=settings.candidate_timeout_ms / 1e3,
        tolerance=settings.tolerance,
    )
    context.opened.push_async_callback(shadow.close)
    comparisons = {one.member.name: one.comparisons for one in candidates}
    return Made(
        backend=shadow,
        signature=primary.signature,
        answerable=lambda ready: ready(primary),
        timeout=primary.timeout,
        runtime=primary.runtime,
        takes=primary.takes,
        batched=primary.batched,
        examples=primary.examples,
        outcomes=Unrecorded(),
        about=_about(settings),
        details=lambda: {"comparisons": {one: state_of(found) for one, found in comparisons.items()}},
        measures=lambda: measures_of(comparisons),
        revote=primary.revote,
        lacking="primary away",
    )


def _candidate(candidate: Served, primary: Served, weight: float) -> "Candidate":
    from aggregator.member import beside
    from aggregator.shadow import Candidate

    try:
        member = beside(primary.signature, candidate, weight)
        return Candidate(member, None if primary.revote is None else primary.revote(weight))
    except ValueError as error:
        raise Misfit(("candidates", str(error))) from error


def _about(settings: ShadowSettings) -> Callable[[], Mapping[str, Any]]:
    shown = MappingProxyType({"primary": settings.primary, "candidates": settings.candidates, "share": settings.share})
    return lambda: shown


KIND = Kind(
    settings=ShadowSettings,
    table="shadows",
    about="Answers as its primary does; candidates are asked afterwards, never counted, only compared.",
    keys=KEYS,
    parts=_parts,
    make=_make,
    mistakes=_mistakes,
    doubts=_doubts,
    aside=lambda settings: settings.candidates,
)

"""An ensemble's settings as its rule and its terms, now that the labels are known."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aggregator.ensemble import Terms
from aggregator.fallback import fallback_of
from aggregator.rules import DEFAULT_QUORUM, DEFAULT_RULE, Rule, make_rule
from models.types import Array, Signature
from server.composites.kind import Fault, Misfit

if TYPE_CHECKING:
    from server.composites.ensemble import EnsembleSettings


def rule_name(settings: "EnsembleSettings", signature: Signature) -> str:
    """The name of its rule, configured or not."""
    return settings.rule or DEFAULT_RULE[signature.task]


def terms_of(settings: "EnsembleSettings", signature: Signature) -> tuple[Rule, Terms]:
    """How an ensemble of `signature` answers, and when.

    Raises:
        Misfit: settings that do not fit, all of them.
    """
    parts: dict[str, Any] = {}
    faults: list[Fault] = []
    for key, part in PARTS.items():
        try:
            parts[key] = part(settings, signature)
        except ValueError as error:
            faults.append((key, str(error)))
    if faults:
        raise Misfit(*faults)
    rule = parts.pop("rule")
    quorum = settings.quorum or DEFAULT_QUORUM.get(rule_name(settings, signature))
    return rule, Terms(quorum, settings.quorum_weight, settings.early, settings.linger_ms / 1e3, **parts)


def _rule(settings: "EnsembleSettings", signature: Signature) -> Rule:
    return make_rule(rule_name(settings, signature), signature.task, len(signature.labels), Path(settings.path))


def _min_agreement(settings: "EnsembleSettings", signature: Signature) -> float | None:
    if settings.min_agreement is not None and not signature.labels:
        raise ValueError("numbers do not agree or disagree: it is for classifications")
    if settings.min_agreement is not None and settings.rule == "first":
        raise ValueError("whoever answers first agrees with itself: choose another rule")
    return settings.min_agreement


def _fallback(settings: "EnsembleSettings", signature: Signature) -> Array | None:
    return None if settings.fallback is None else fallback_of(settings.fallback, signature)


PARTS: "Mapping[str, Callable[[EnsembleSettings, Signature], Any]]" = MappingProxyType(
    {"rule": _rule, "min_agreement": _min_agreement, "fallback": _fallback}
)
"""By the key: what can only be checked now, each of it alone."""

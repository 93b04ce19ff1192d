"""What a request asks beside its rows, the same in every protocol."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from models.errors import InvalidRequest
from models.oip.wire import misfit, quoted, unknown
from models.types import NO_PARAMETERS, Parameters, Scalar

HEADER = "X-Request-Timeout-Ms"
PLACE = "$.parameters"
THEIRS = frozenset({"binary_data_output", "priority", "content_type", "headers"})
"""What Triton's and MLServer's clients send along, and what is not ours to act on here."""


class WireParameters(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters as JSON has them."""

    timeout_ms: float | None = None
    quorum: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None  # more is more than any ensemble has
    early: bool | None = None
    members: list[str] | str | None = None  # a protocol without lists writes them with commas
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """`timeout` in seconds, None if the request names none. `extra`: what it says for those who decide by it."""

    parameters: Parameters
    timeout: float | None
    extra: Mapping[str, Scalar] = field(default_factory=dict)


_NOTHING = Asked(NO_PARAMETERS, None)


def read_parameters(given: Mapping[str, Any], extra: Collection[str] = ()) -> Asked:
    """The parameters of a request; those with a name in `extra` are for whoever is asked.

    Raises:
        InvalidRequest: an unknown one, or a value of the wrong type or range.
    """
    if not given:
        return _NOTHING
    _check_names(given, extra)
    own = {name: value for name, value in given.items() if name not in extra} if extra else given
    wire = _convert(own)
    parameters = Parameters(wire.quorum, wire.early, _members(wire.members), wire.explain)
    seconds = seconds_of(wire.timeout_ms, 1e-3, f"{PLACE}.timeout_ms")
    return Asked(parameters, seconds, {name: _scalar(given[name], name) for name in extra if name in given})


def _scalar(value: Any, name: str) -> Scalar:
    if not isinstance(value, str | int | float):  # of which a boolean is one
        raise InvalidRequest("expected a string, a number, true or false", f"{PLACE}.{name}")
    return value


def _check_names(given: Mapping[str, Any], extra: Collection[str]) -> None:
    known = (*WireParameters.__struct_fields__, *extra)
    for name in given:
        if name not in known:
            raise InvalidRequest(unknown("parameter", name, known), PLACE)


def _convert(given: Mapping[str, Any]) -> WireParameters:
    try:
        return msgspec.convert(given, WireParameters)
    except msgspec.ValidationError as error:
        raise misfit(error, PLACE) from error


def _members(given: list[str] | str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
    if not names or "" in names or len(set(names)) < len(names):
        raise InvalidRequest("a subset names each member once, and at least one", f"{PLACE}.members")
    return tuple(names)


def seconds_of(value: float | None, unit: float, where: str) -> float | None:
    """A timeout of `value` times `unit` seconds, checked."""
    if value is None:
        return None
    if not (math.isfinite(value) and value > 0):
        raise InvalidRequest(f"a timeout must be positive, got {value}", where)
    return value * unit


def header_timeout(text: str | None) -> float | None:
    """The seconds that the header X-Request-Timeout-Ms asks for."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidRequest(f"expected a number of milliseconds, got {quoted(text)}", f"header {HEADER}") from error
    return seconds_of(value, 1e-3, f"header {HEADER}")


def smaller(one: float | None, other: float | None) -> float | None:
    """The smaller of two timeouts, either of which may be absent."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)

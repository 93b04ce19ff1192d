"""What is read of an answer: its status, and what became of each member. Typed, so that the rest is only skipped."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec


class Member(msgspec.Struct):
    """One member, as an answer has it."""

    fate: str = ""
    reason: str = ""
    elapsed_ms: float | None = None


class Outcome(msgspec.Struct):
    """The whole."""

    status: str = ""
    degraded: bool = False


class Said(msgspec.Struct):
    """What is counted of an answer, or of a problem, whose members are of interest too."""

    outcome: Outcome = msgspec.field(default_factory=Outcome)
    members: dict[str, Member] = {}


Reader = Callable[[bytes], Said]
"""Raises ValueError or RecursionError: the body is no answer."""

_COMPLETE = Outcome("complete")  # what an answer of one model is where it does not say
_NOTHING = Said()
_V1 = msgspec.json.Decoder(Said)


class _Flat(msgspec.Struct):
    """An answer of the Open Inference Protocol, whose parameters know no nesting."""

    parameters: dict[str, Any] = {}


_V2, _SCANNER = msgspec.json.Decoder(_Flat), json.JSONDecoder()


def read_v1(body: bytes) -> Said:
    """KServe's first protocol."""
    return _V1.decode(body)


def read_v2(body: bytes) -> Said:
    """The Open Inference Protocol in JSON."""
    flat = _V2.decode(body).parameters
    if "status" not in flat:
        return Said(_COMPLETE)
    return Said(Outcome(str(flat["status"]), bool(flat.get("degraded"))), _nested(flat))


def read_v2_binary(body: bytes) -> Said:
    """The same where raw tensors follow the JSON, which ends with the value that the body begins with."""
    _, end = _SCANNER.raw_decode(body.decode("latin-1"))  # a character a byte
    return read_v2(body[:end])


def read_problem(body: bytes) -> Said:
    """What is answered with any status but 200, in any protocol and by any server."""
    try:
        return _V1.decode(body)
    except (ValueError, RecursionError):
        return _NOTHING


def read_nothing(_body: bytes) -> Said:
    """Any answer at all will do."""
    return _NOTHING


def _nested(flat: Mapping[str, Any]) -> dict[str, Member]:
    """`{"members.forest.fate": "ok", ...}` by member; a member's name may have dots itself."""
    members: dict[str, Member] = {}
    for key, value in flat.items():
        if key.startswith("members."):
            name, _, field = key[8:].rpartition(".")
            member = members.setdefault(name, Member("")) if field in Member.__struct_fields__ else None
            if member is not None:
                setattr(member, field, value)
    return members

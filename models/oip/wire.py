"""JSON from outside, read strictly: typed, no key twice, and refused with the place.

What is refused is shown in the message, but never more than a few words of it, and never a raw control character.
"""

import json
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
import numpy as np

from models.errors import InvalidRequest

T = TypeVar("T")

_LONGEST = 64  # characters of the caller's own words in a message
_PATH = 128
_LISTED = 8
_ENVELOPE = 1 << 20  # bytes; ten thousand tensors take less
_NESTING = (list, tuple)
_PAIRS = json.JSONDecoder(object_pairs_hook=tuple)
_PLACED = re.compile(r" - at `\$((?:\.\w+|\[\d+\]|\[\.\.\.\])*)`\Z")


def parse(decoder: msgspec.json.Decoder[T], text: bytes | memoryview | msgspec.Raw, where: str = "$") -> T:
    """The typed JSON of `text`, which stands at `where`.

    Raises:
        InvalidRequest: it is not JSON, or of another type. A key that comes twice is left to `check_envelope`.
    """
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise misfit(error, where) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"not JSON: {str(error).removeprefix('JSON is malformed: ')}", where) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("not JSON: a string is not UTF-8", where) from error
    except RecursionError as error:
        raise InvalidRequest("nested too deeply", where) from error


def misfit(error: msgspec.ValidationError, where: str) -> InvalidRequest:
    """msgspec's error about the value at `where`, as ours."""
    text = str(error)
    placed = _PLACED.search(text, max(0, len(text) - _PATH))  # the rest may be the caller's, and long
    message, path = (text[: placed.start()], placed[1]) if placed else (text, "")
    return InvalidRequest(quoted(message, _LONGEST + 32)[1:-1], where + path.replace("[...]", ""))


def check_envelope(text: bytes | memoryview, data: Iterable[msgspec.Raw]) -> None:
    """Refuse repeated keys in `text`, valid JSON, outside of `data`: its large parts, in order, which are checked."""
    if bytes(text[:_ENVELOPE]).count(b":") <= 1 and len(text) <= _ENVELOPE:  # rows and nothing else
        return
    envelope = _without(text, data)
    if len(envelope) > _ENVELOPE:
        raise InvalidRequest(f"more than {_ENVELOPE} bytes beside the data")
    if envelope.count(b":") > 1:  # rows and nothing else is what most send
        check_keys(envelope)


def check_keys(text: bytes, where: str = "$") -> None:
    """Refuse objects that have a key twice, of which msgspec would keep the last; `text` is valid JSON."""
    try:
        _check(_PAIRS.decode(text.decode()), where)
    except UnicodeDecodeError as error:
        raise InvalidRequest("not JSON: a string is not UTF-8", where) from error
    except ValueError as error:  # a number of thousands of digits, where msgspec did not look
        raise InvalidRequest("not JSON: a number is too long", where) from error
    except RecursionError as error:
        raise InvalidRequest("nested too deeply", where) from error


def _check(value: Any, where: str) -> None:
    """Walk lists, and objects as tuples of pairs."""
    if type(value) is list:
        for index, item in enumerate(value):
            if type(item) in _NESTING:
                _check(item, f"{where}[{index}]")
        return
    seen: set[str] = set()
    for key, item in value:
        if key in seen:
            raise InvalidRequest(f"the key {quoted(key)} comes twice", where[:_PATH])
        seen.add(key)
        if type(item) in _NESTING:
            _check(item, f"{where}.{key}" if key.isidentifier() and len(key) <= _LONGEST else where)


def _without(text: bytes | memoryview, skipped: Iterable[msgspec.Raw]) -> bytes:
    """`text` with a 0 in place of what is skipped."""
    kept: list[bytes | memoryview] = []
    view, at = memoryview(text), 0
    for part in skipped:
        if len(part):
            start = address_of(part) - address_of(text)
            kept += [view[at:start], b"0"]
            at = start + len(part)
    return b"".join([*kept, view[at:]])


def address_of(buffer: bytes | memoryview | msgspec.Raw) -> int:
    """Where it lies in memory: a Raw is a view of the text that it was read from, but does not say of which part."""
    address: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return address


def quoted(text: str, longest: int = _LONGEST) -> str:
    """`text` from outside as a message may show it: in quotes, control characters escaped, cut."""
    shown = repr(text[: longest + 1])
    return shown if len(shown) <= longest + 2 else f"{shown[: longest - 2]}...{shown[0]}"


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """A message about the `name` of something of a `kind` that is not there, with what was perhaps meant."""
    near = get_close_matches(name[:_LONGEST], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {listed(known)}"
    return f"unknown {kind} {quoted(name)}; {hint}"


def listed(names: Collection[str]) -> str:
    """The first few names."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(list(names)[:_LISTED]) + more

"""Long lists of numbers in JSON, read and written piece by piece.

A list that is read at once holds the interpreter for all of that time, and with it the event loop, in whichever thread
that is done; so does one that is written. Pieces take less memory, too, and so are read faster.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from models.errors import InvalidRequest
from models.types import Array

PIECE = 1 << 16  # bytes, about a third of a millisecond
SHORT = 2 * PIECE  # what is no longer is read at one go
NUMBERS = 1 << 12  # that are written at a time, which takes about as long

_COMMA = re.compile(rb"\s*,")

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()


def read_in_pieces(text: bytes, end: bytes, read: Callable[[bytes], T]) -> list[T] | None:
    """What `read` makes of each piece of `text`, the JSON of a list whose items end with `end`: `]`, or no byte at all.

    None of a text that is short or has strings in it, and where any piece does not fit: whoever reads all of it finds
    out what is wrong, and where.
    """
    if len(text) <= SHORT or b'"' in text:
        return None
    try:
        return [read(piece) for piece in _pieces(text.strip(), end)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidRequest, ValueError):
        return None


def _pieces(text: bytes, end: bytes) -> Iterator[bytes]:
    """Lists that make up `text` together, if each of them is one."""
    if text[:1] != b"[" or text[-1:] != b"]":
        raise ValueError("not a list")
    start, last = 1, len(text) - 1
    while (found := text.find(end or b",", start + PIECE, last)) >= 0:
        cut = found + len(end)
        comma = _COMMA.match(text, cut)
        if comma is None:  # that was the last item
            break
        yield _list_of(text[start:cut])
        start = comma.end()
    yield _list_of(text[start:last])


def _list_of(items: bytes) -> bytes:
    if not items or items.isspace():
        raise ValueError("no items")
    return b"[%b]" % items


def _listed(array: Array) -> list[Any]:
    values: list[Any] = array.tolist()
    return values


def write_in_pieces(array: Array, listed: Callable[[Array], list[Any]] = _listed) -> list[Any] | msgspec.Raw:
    """`array` (n, ...) as a list for `msgspec.json`, a long one as what that writes; `listed`: the items of a part."""
    if array.size <= 2 * NUMBERS:
        return listed(array)
    rows = max(1, NUMBERS * len(array) // array.size)
    parts = (listed(array[start : start + rows]) for start in range(0, len(array), rows))
    return msgspec.Raw(b"[%b]" % b",".join([_ENCODER.encode(part)[1:-1] for part in parts]))

"""The long lists in a JSON body, found without reading it: they are read piece by piece, and the rest by itself.

To pass over 16 MB takes a parser of JSON as long as fifty pieces do.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from models.errors import InvalidRequest
from models.oip.pieces import SHORT
from models.oip.wire import address_of

T = TypeVar("T")
Body = bytes | memoryview

_COLON = re.compile(rb"\s*:\s*(?=\[)")
_OPENING = re.compile(rb"(?:\s*\[)+")
_BEHIND = 1 << 10  # bytes in which the brackets behind the last item are looked for
_BRACKETS = b"]}, \t\r\n"  # and what stands between them, up to the next string
_EMPTY = b"[]"
_MOST = 1000  # lists: whoever sends more has no long ones


class Apart:
    """JSON with `[]` in place of the `lists`, which are known by where they stood in this `envelope`."""

    def __init__(self, envelope: Body, lists: Mapping[int, bytes]) -> None:
        self.envelope = envelope
        self._left = dict(lists)

    def list_of(self, raw: msgspec.Raw) -> msgspec.Raw:
        """What stood in place of `raw`, a part of the envelope."""
        if not self._left or not len(raw):
            return raw
        whole = self._left.pop(address_of(raw) - address_of(self.envelope), None)
        return raw if whole is None else msgspec.Raw(whole)

    def finish(self) -> None:
        """Everything must have been asked for: what nobody looks at may be anything."""
        if self._left:
            raise InvalidRequest("a long list that nobody takes")


def read_apart(body: Body, key: str, read: Callable[[Apart], T]) -> T:
    """What `read` makes of `body`, whose long lists stand at `key` and are taken apart if they hold no strings.

    Each list that it asks for must be valid for itself; where anything does not fit it is given the whole body once
    more, and finds out what is wrong, and where.
    """
    if len(body) > SHORT and isinstance(body, bytes):
        apart = _apart(body, b'"%b"' % key.encode())
        if apart is not None:
            try:
                result = read(apart)
                apart.finish()
            except InvalidRequest:
                pass
            else:
                return result
    return read(Apart(body, {}))


def _apart(body: bytes, key: bytes) -> Apart | None:
    kept: list[bytes] = []
    lists: dict[int, bytes] = {}
    at = search = length = 0
    for _ in range(_MOST):
        found = body.find(key, search)
        if found < 0:
            break
        search = found + len(key)
        colon = _COLON.match(body, search)
        if colon is None:
            continue
        start = colon.end()
        end = _end_of_list(body, start)
        if end - start > SHORT:
            kept += [body[at:start], _EMPTY]
            length += start - at
            lists[length] = body[start:end]
            length += len(_EMPTY)
            at = search = end
    if not lists:
        return None
    return Apart(b"".join([*kept, body[at:]]), lists)


def _end_of_list(body: bytes, start: int) -> int:
    """Where the list that begins at `start` ends, if it has no strings and all its items are equally deep.

    If not, what is found is no valid list, or what is left no valid envelope.
    """
    string = body.find(b'"', start)
    stop = len(body) if string < 0 else string
    tail = body[max(start, stop - _BEHIND) : stop]
    opening = _OPENING.match(body, start)
    assert opening is not None  # noqa: S101 - that is how it was found
    last = stop - len(tail) + len(tail.rstrip(_BRACKETS))
    for _ in range(opening.group().count(b"[")):
        last = body.find(b"]", last, stop) + 1
        if not last:
            return start
    return last

"""A bounded store of answers; no clock, no I/O: `now` is an argument, in seconds."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from models.types import Array

BESIDE = 500  # bytes of an entry beside its arrays


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer, how large it is, and until when it may be given."""

    outputs: Mapping[str, Array]
    size: int
    until: float


class Keep:
    """At most `entries` answers of at most `most` bytes together, each for `ttl` seconds; who was not asked for longest
    goes.

    Holds copies, which nobody can write to: an answer may be a part of something much larger.
    """

    def __init__(self, *, entries: int, most: int, ttl: float) -> None:
        if entries < 1 or most < 1 or not ttl > 0:
            raise ValueError(f"entries, bytes and ttl must be positive, got {entries}, {most}, {ttl}")
        self._most_entries = entries
        self._most_bytes = most
        self._ttl = ttl
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> Mapping[str, Array] | None:
        """What is kept, unless it is too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now >= entry.until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.outputs

    def put(self, key: bytes, outputs: Mapping[str, Array], now: float) -> None:
        """Keep a copy of `outputs`, if it is not too large, in place of what is too much then."""
        size = BESIDE + sum(map(_size, outputs.values()))
        if key in self._entries:
            self._drop(key)
        if size > self._most_bytes:
            return
        self._entries[key] = Entry({name: _copy(array) for name, array in outputs.items()}, size, now + self._ttl)
        self.size += size
        while len(self._entries) > self._most_entries or self.size > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        self.size -= self._entries.pop(key).size


def _size(array: Array) -> int:
    beside = sum(len(text) + 50 for text in array.ravel().tolist()) if array.dtype == object else 0
    return array.nbytes + beside


def _copy(array: Array) -> Array:
    copy = array.copy()
    copy.flags.writeable = False
    return copy

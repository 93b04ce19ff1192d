"""Frames: a stream of bytes cut into messages. Pure: no clock, no I/O.

A frame is a header of 24 bytes, little-endian, and a payload:

    length     u32   of the payload, in bytes
    version    u8    of this layout: two processes that differ in it part at the first frame
    what       u8    CALL, ANSWER, ...
    kind       u16   of a call; it means what the two ends have agreed on
    call       u64   counted up by who asks; who answers repeats it
    deadline   i64   of a call, in nanoseconds of CLOCK_MONOTONIC

The header takes a multiple of eight bytes, so that the numbers in a payload mostly lie where they should.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

VERSION = 1
CALL, CANCEL, ANSWER, FAILURE, GOODBYE = range(1, 6)
"""A call; nobody waits for it any more; its answer; why there is none; ask the next call on another connection."""

LONGEST = 64 << 20  # bytes of a payload, unless the two ends agree on another bound
JOINED = 64 << 10  # up to here it costs less to copy a frame together than to hand its parts to the system

Buffer = bytes | memoryview

_HEADER = Struct("<IBBHQq")
HEADER_BYTES = _HEADER.size


class Malformed(Exception):
    """What came is no frame; nothing that follows on this connection can be one."""


class Frame(NamedTuple):
    """One message; `payload` is a view of what was received."""

    what: int
    kind: int
    call: int
    deadline: int
    payload: memoryview


def framed(
    what: int, call: int, buffers: Sequence[Buffer] = (), *, kind: int = 0, deadline: int = 0
) -> Sequence[Buffer]:
    """A frame as what is to be written, one after the other: one buffer if it is short. `buffers` are of bytes."""
    length = sum(map(len, buffers))
    parts = [_HEADER.pack(length, VERSION, what, kind, call, deadline), *buffers]
    return (b"".join(parts),) if length <= JOINED else parts


class Splitter:
    """Cuts what is received, in chunks of any size, into frames with payloads of at most `longest` bytes."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._chunks: list[bytes] = []  # the beginning of a frame whose end has not come
        self._have = 0
        self._need = HEADER_BYTES

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that `chunk` completes. All must be taken before the next chunk.

        Raises:
            Malformed: after the frames before that place.
        """
        if self._chunks:
            self._chunks.append(chunk)
            self._have += len(chunk)
            if self._have < self._need:
                return
            chunk = b"".join(self._chunks)
            self._chunks.clear()
        at, size = 0, len(chunk)
        view = memoryview(chunk)
        self._need = HEADER_BYTES
        while size - at >= HEADER_BYTES:
            length, version, what, kind, call, deadline = _HEADER.unpack_from(chunk, at)
            if version != VERSION or length > self._longest:
                raise Malformed(self._wrong(version, length))
            start, end = at + HEADER_BYTES, at + HEADER_BYTES + length
            if end > size:
                self._need = end - at
                break
            yield Frame(what, kind, call, deadline, view[start:end])
            at = end
        if at < size:
            self._chunks.append(chunk[at:] if at else chunk)
            self._have = size - at

    def _wrong(self, version: int, length: int) -> str:
        if version != VERSION:
            return f"a frame of version {version}, expected {VERSION}"
        return f"a frame of {length} bytes, at most {self._longest} are allowed"

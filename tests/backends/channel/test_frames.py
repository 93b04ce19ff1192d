"""Frames: whatever the stream is cut into, the same messages come out of it."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.channel.frames import CALL, HEADER_BYTES, JOINED, VERSION, Buffer, Frame, Malformed, Splitter, framed

LONGEST = 1000
INT64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def messages(draw: st.DrawFn) -> tuple[int, int, int, int, list[bytes]]:
    """what, kind, call, deadline, and a payload in parts."""
    what, kind = draw(st.integers(0, 255)), draw(st.integers(0, 2**16 - 1))
    parts = draw(st.lists(st.binary(max_size=60), max_size=3))
    return what, kind, draw(st.integers(0, 2**64 - 1)), draw(INT64), parts


def written(what: int, kind: int, call: int, deadline: int, parts: list[bytes]) -> bytes:
    return b"".join(framed(what, call, parts, kind=kind, deadline=deadline))


def received(splitter: Splitter, chunks: list[bytes]) -> list[tuple[int, int, int, int, bytes]]:
    return [(*frame[:4], bytes(frame.payload)) for chunk in chunks for frame in splitter.feed(chunk)]


@given(st.lists(messages(), max_size=6), st.data())
def test_any_slicing_of_the_stream_gives_the_same_frames(
    sent: list[tuple[int, int, int, int, list[bytes]]], data: st.DataObject
) -> None:
    stream = b"".join(written(*message) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    expected = [(what, kind, call, deadline, b"".join(parts)) for what, kind, call, deadline, parts in sent]
    assert received(Splitter(LONGEST), chunks) == expected


def test_byte_by_byte() -> None:
    stream = written(CALL, 1, 2, 3, [b"four"]) * 3
    chunks = [stream[at : at + 1] for at in range(len(stream))]
    assert received(Splitter(LONGEST), chunks) == [(CALL, 1, 2, 3, b"four")] * 3


def test_a_frame_comes_out_with_its_last_byte_and_not_before() -> None:
    stream = written(CALL, 1, 2, 3, [b"four"])
    splitter = Splitter(LONGEST)
    assert received(splitter, [stream[:-1]]) == []
    assert len(received(splitter, [stream[-1:]])) == 1


def test_a_frame_in_many_chunks_is_put_together_once() -> None:
    """Not at every chunk: that would be quadratic."""
    stream = written(CALL, 1, 2, 3, [bytes(900)])
    chunks = [stream[at : at + 100] for at in range(0, len(stream), 100)]
    splitter = Splitter(LONGEST)
    before = [sys.getrefcount(chunk) for chunk in chunks]
    assert received(splitter, chunks[:-1]) == []
    after = [sys.getrefcount(chunk) for chunk in chunks]
    assert after == [count + 1 for count in before[:-1]] + before[-1:]
    assert len(received(splitter, chunks[-1:])) == 1
    assert [sys.getrefcount(chunk) for chunk in chunks] == before


@pytest.mark.parametrize("length", [JOINED, JOINED + 1, 10 * JOINED])
def test_what_is_short_is_one_buffer_and_what_is_long_is_not_copied(length: int) -> None:
    payload = memoryview(bytes(length))
    parts = framed(CALL, 1, [payload])
    assert sum(map(len, parts)) == HEADER_BYTES + length
    assert len(parts) == (1 if length <= JOINED else 2)
    assert length <= JOINED or parts[1] is payload


def test_the_payload_of_a_frame_is_a_view_of_what_was_received() -> None:
    chunk = written(CALL, 1, 2, 3, [b"four"])
    (frame,) = Splitter(LONGEST).feed(chunk)
    assert frame == Frame(CALL, 1, 2, 3, memoryview(b"four"))
    assert frame.payload.obj is chunk
    assert frame.payload.readonly


def malformed(stream: bytes, size: int) -> str:
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    with pytest.raises(Malformed) as caught:
        received(Splitter(LONGEST), chunks)
    return str(caught.value)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_frame_that_is_too_long_is_refused_by_its_header(size: int) -> None:
    longest: Buffer = bytes(LONGEST)
    assert len(list(Splitter(LONGEST).feed(b"".join(framed(CALL, 1, [longest]))))) == 1
    header = b"".join(framed(CALL, 1, [longest, b"x"]))[:HEADER_BYTES]
    assert malformed(header, size) == f"a frame of {LONGEST + 1} bytes, at most {LONGEST} are allowed"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_another_version_and_other_protocols_are_refused(size: int) -> None:
    stream = bytearray(written(CALL, 1, 2, 3, []))
    stream[4] = VERSION + 1
    assert malformed(bytes(stream), size) == f"a frame of version {VERSION + 1}, expected {VERSION}"
    assert "version" in malformed(b"POST /predict HTTP/1.1\r\nHost: x\r\n", size)


def test_the_frames_before_a_malformed_one_are_there() -> None:
    good, bad = written(CALL, 1, 2, 3, [b"x"]), b"\xff" * HEADER_BYTES
    frames = Splitter(LONGEST).feed(good + bad)
    assert next(frames).call == 2
    with pytest.raises(Malformed):
        next(frames)

"""Lists that are read piece by piece say the same as those that are read at once, and refuse the same."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidRequest
from models.oip.pieces import NUMBERS, PIECE, read_in_pieces, write_in_pieces
from models.oip.requests import decode_request
from models.types import TensorSpec, regressor

ROWS = [[number + 0.25, -number, 3e-7 * number] for number in range(20_000)]
SIGNATURE = regressor((TensorSpec("x", "FP32", (-1, 3), ("a", "b", "c")),))
STYLES = {"plain": (",", ":"), "spaced": (", ", ": "), "wide": (" ,\n ", ":")}


def written(rows: Any, style: str = "plain") -> bytes:
    return json.dumps(rows, separators=STYLES[style]).encode()


def cut(text: bytes, end: bytes) -> list[Any] | None:
    pieces = read_in_pieces(text, end, msgspec.json.decode)
    return None if pieces is None else [item for piece in pieces for item in piece]


@pytest.mark.parametrize("style", STYLES)
def test_pieces_say_what_the_whole_says(style: str) -> None:
    text = written(ROWS, style)
    pieces = read_in_pieces(text, b"]", msgspec.json.decode)
    assert pieces is not None
    assert len(pieces) > 5
    assert [row for piece in pieces for row in piece] == ROWS
    flat = [value for row in ROWS for value in row]
    assert cut(written(flat, style), b"") == flat


def test_a_short_text_is_read_at_once() -> None:
    assert read_in_pieces(b"[[1],[2]]", b"]", msgspec.json.decode) is None


BLANK = b" " * 3 * PIECE


@pytest.mark.parametrize(
    "text",
    [
        b"[1," + BLANK + b",2]",
        b"[1," + BLANK + b"]",
        b"[" + BLANK + b"]",
        b"1" + BLANK,
        b"[1" + BLANK + b"2]",
        b'["' + BLANK + b'"]',
        b"[" * PIECE * 3,
        written(ROWS)[:-1] + b",]",
        written(ROWS)[:-9],
        written(ROWS) + b"]",
    ],
)
def test_what_is_wrong_as_a_whole_is_wrong_in_pieces(text: bytes) -> None:
    for end in (b"", b"]"):
        assert cut(text, end) is None


@settings(max_examples=200)
@given(st.data())
def test_one_wrong_byte_is_seen_wherever_it_is(data: st.DataObject) -> None:
    text = bytearray(written(ROWS[:8000]))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.sampled_from(b'[],.x"{} 7'))
    try:
        whole = msgspec.json.decode(text, type=list[tuple[float, float, float]])
    except msgspec.DecodeError:
        whole = None
    decoder = msgspec.json.Decoder(list[tuple[float, float, float]])
    pieces = read_in_pieces(bytes(text), b"]", decoder.decode)
    assert (None if pieces is None else [row for piece in pieces for row in piece]) == whole


def asked(data: Any, shape: list[int]) -> bytes:
    return written({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": data}]})


@pytest.mark.parametrize("nested", [False, True])
def test_a_large_tensor_is_read_as_a_small_one_is(nested: bool) -> None:
    data = ROWS if nested else [value for row in ROWS for value in row]
    read = decode_request(asked(data, [20_000, 3]), None, SIGNATURE).inputs["x"]
    assert np.array_equal(read, np.array(ROWS, np.float32))


@pytest.mark.parametrize(
    ("data", "shape", "where"),
    [
        (ROWS[1:], [20_000, 3], "$.inputs[0].data"),
        ([*ROWS[1:], [1, 2]], [20_000, 3], "$.inputs[0].data[19999]"),
        ([[0.5] * 2] * 30_000, [20_000, 3], "$.inputs[0].data"),
        ([0.5] * 59_999, [20_000, 3], "$.inputs[0].data"),
        ([*([0.5] * 59_999), "1"], [20_000, 3], "$.inputs[0].data[59999]"),
    ],
)
def test_a_large_tensor_that_does_not_fit_is_told_where(data: Any, shape: list[int], where: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_request(asked(data, shape), None, SIGNATURE)
    assert refused.value.where == where


@pytest.mark.parametrize("rows", [0, 1, 2 * NUMBERS, 2 * NUMBERS + 1, 3 * NUMBERS])
@pytest.mark.parametrize("columns", [(), (1,), (3,), (2 * NUMBERS,), (2, 2)])
def test_what_is_written_in_pieces_is_what_is_written_at_once(rows: int, columns: tuple[int, ...]) -> None:
    rows = min(rows, 5) if columns == (2 * NUMBERS,) else rows
    array = np.arange(rows * int(np.prod(columns)), dtype=np.float64).reshape(rows, *columns) / 7
    assert msgspec.json.encode({"x": write_in_pieces(array)}) == msgspec.json.encode({"x": array.tolist()})


def test_a_long_list_is_written_in_pieces_whatever_its_items_are() -> None:
    array = np.arange(3 * NUMBERS) % 2
    sizes: list[int] = []

    def listed(part: Any) -> list[str]:
        sizes.append(len(part))
        return ["no" if at else "yes" for at in part]

    assert msgspec.json.decode(msgspec.json.encode(write_in_pieces(array, listed))) == ["yes", "no"] * (
        3 * NUMBERS // 2
    )
    assert sizes == [NUMBERS] * 3

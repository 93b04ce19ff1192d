"""Tensors in the bytes of a call: what is written is what is read, wherever it lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backends.layout import COPIED, Layout, inputs_of, outputs_of
from models.types import DTYPES, PREDICTIONS, PROBABILITIES, Array, Signature, TensorSpec
from tests.fakes import NUMBER, YES_NO

FLOATS = TensorSpec("x", "FP32", (-1, 3))
OPEN = TensorSpec("o", "INT16", (-1, -1, 2))
STRINGS = TensorSpec("s", "BYTES", (-1, 1))
DOUBLES = TensorSpec("d", "FP64", (-1,))


@st.composite
def tensors(draw: st.DrawFn) -> tuple[list[TensorSpec], dict[str, Array]]:
    """Any specs, and arrays that fit them, with the same number of rows."""
    rows = draw(st.integers(1, 4))
    specs: list[TensorSpec] = []
    arrays: dict[str, Array] = {}
    for number in range(draw(st.integers(1, 4))):
        datatype = draw(st.sampled_from(sorted(DTYPES)))
        axes = draw(st.lists(st.integers(1, 3), max_size=2))
        elements = st.sampled_from(["", "a", "\0", "ä€"]) if datatype == "BYTES" else None
        name = f"t{number}"
        arrays[name] = draw(hnp.arrays(DTYPES[datatype], (rows, *axes), elements=elements))
        shape = (-1, *(draw(st.sampled_from((size, -1))) for size in axes))
        specs.append(TensorSpec(name, datatype, shape))
    return specs, arrays


@given(tensors(), st.binary(max_size=20), st.integers(0, 9), st.booleans())
def test_what_is_written_is_what_is_read_wherever_it_lies(
    written: tuple[list[TensorSpec], dict[str, Array]], tail: bytes, offset: int, keep: bool
) -> None:
    specs, arrays = written
    layout = Layout(specs)
    payload = bytes(offset) + b"".join(layout.write(arrays, tail))
    read, rest = layout.read(memoryview(payload)[offset:], keep=keep)
    assert bytes(rest) == tail
    assert list(read) == list(arrays)
    for spec in specs:
        assert read[spec.name].dtype == spec.dtype
        assert read[spec.name].flags.aligned
        np.testing.assert_array_equal(read[spec.name], arrays[spec.name])


@given(tensors(), st.data())
def test_bytes_that_end_too_soon_are_refused(
    written: tuple[list[TensorSpec], dict[str, Array]], data: st.DataObject
) -> None:
    specs, arrays = written
    layout = Layout(specs)
    payload = b"".join(layout.write(arrays))
    padding = 7  # what ends within it is whole
    length = data.draw(st.integers(0, max(0, len(payload) - padding - 1)))
    with pytest.raises(ValueError, match=r"bytes|buffer|size"):
        layout.read(memoryview(payload[:length]))


def test_any_array_that_can_be_cast_is_written_as_the_spec_says() -> None:
    layout = Layout((FLOATS,))
    whole = np.arange(12.0).reshape(4, 3)
    for array in (whole, whole.astype(">f8"), whole.astype(np.int64), np.asfortranarray(whole), whole[::2], whole[:1]):
        read, _ = layout.read(memoryview(b"".join(layout.write({"x": array}))))
        np.testing.assert_array_equal(read["x"], array)
    with pytest.raises(ValueError, match="could not convert"):
        layout.write({"x": np.array([["a", "b", "c"]], object)})


def test_the_sizes_that_the_specs_leave_open_travel_along() -> None:
    layout = Layout((OPEN, STRINGS, DOUBLES))
    arrays: dict[str, Array] = {
        "o": np.arange(12, dtype=np.int16).reshape(2, 3, 2),
        "s": np.array([["ä"], [""]], object),
        "d": np.array([1.5, np.nan]),
    }
    read, tail = layout.read(memoryview(b"".join(layout.write(arrays, b"tail"))))
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
    assert bytes(tail) == b"tail"


@pytest.mark.parametrize("rows", [COPIED // 12, COPIED // 12 + 1])
def test_what_is_long_is_not_copied_on_its_way(rows: int) -> None:
    array = np.zeros((rows, 3), np.float32)
    parts = Layout((FLOATS,)).write({"x": array})
    shared = [np.shares_memory(np.frombuffer(part, np.uint8), array) for part in parts if len(part)]
    assert any(shared) == (array.nbytes > COPIED)


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_kept_does_not_keep_what_it_was_received_with(keep: bool) -> None:
    layout = Layout((FLOATS,))
    received = bytes(8) + b"".join(layout.write({"x": np.ones((1, 3), np.float32)})) + bytes(100_000)
    read, _ = layout.read(memoryview(received)[8:40], keep=keep)
    assert np.shares_memory(read["x"], np.frombuffer(received, np.uint8)) == (not keep)


def test_strings_that_are_none_are_refused() -> None:
    layout = Layout((STRINGS,))
    payload = b"".join(layout.write({"s": np.array([["abcd"]], object)}))
    with pytest.raises(ValueError, match=r"s\.data\[0\]: a string is not UTF-8"):
        layout.read(memoryview(payload.replace(b"abcd", b"\xff\xff\xff\xff")))


def test_what_a_signature_is_asked_and_answers_with() -> None:
    asked = {"features": np.ones((2, 2), np.float32)}
    read, _ = inputs_of(YES_NO).read(memoryview(b"".join(inputs_of(YES_NO).write(asked))))
    np.testing.assert_array_equal(read["features"], asked["features"])
    tensor = TensorSpec("e", "FP32", (-1, -1))
    for signature, name, said in (
        (YES_NO, PROBABILITIES, np.array([[0.25, 0.75]])),
        (NUMBER, PREDICTIONS, np.array([1.5])),
        (Signature("embedding", YES_NO.inputs, (tensor,)), "e", np.ones((1, 4), np.float32)),
    ):
        layout = outputs_of(signature)
        read, _ = layout.read(memoryview(b"".join(layout.write({name: said}))))
        assert list(read) == [name]
        np.testing.assert_array_equal(read[name], said)

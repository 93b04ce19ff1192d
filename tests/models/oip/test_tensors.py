import struct
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.errors import InvalidRequest
from models.oip.tensors import Unread, WireTensor, read_tensor, write_tensor
from models.types import DTYPES, Array, TensorSpec
from tests.models.oip.strategies import arrays_of

TENSOR = msgspec.json.Decoder(WireTensor)
NUMBERS = [datatype for datatype in DTYPES if datatype != "BYTES"]


def spec(datatype: str, *columns: int, nullable: bool = False) -> TensorSpec:
    return TensorSpec("x", datatype, (-1, *columns), nullable=nullable)


def read(tensor: Mapping[str, Any], of: TensorSpec, raw: bytes = b"") -> Array:
    wire = TENSOR.decode(msgspec.json.encode({"name": "x", **tensor}))
    unread = Unread(memoryview(raw))
    array = read_tensor(wire, of, unread, "$.inputs[0]")
    unread.finish()
    return array


def refusal(tensor: Mapping[str, Any], of: TensorSpec, raw: bytes = b"") -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read(tensor, of, raw)
    return str(caught.value), caught.value.where.removeprefix("$.inputs[0]")


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, Array]:
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    return datatype, draw(arrays_of(datatype, npst.array_shapes(max_dims=4, max_side=5)))


@given(tensors(), st.booleans(), st.integers(0, 7))
def test_every_array_comes_back_bit_by_bit(tensor: tuple[str, Array], binary: bool, padding: int) -> None:
    datatype, array = tensor
    header, raw = write_tensor("x", datatype, array, binary=binary)
    unread = Unread(memoryview(b" " * padding + raw)[padding:])  # at any address
    wire = TENSOR.decode(msgspec.json.encode(header))
    back = read_tensor(wire, spec(datatype, *array.shape[1:]), unread, "$")
    unread.finish()
    assert back.dtype == DTYPES[datatype]
    assert back.shape == array.shape
    assert back.flags.aligned
    if datatype == "BYTES":
        assert back.tolist() == array.tolist()
    else:
        assert back.tobytes() == array.tobytes()


@given(tensors())
def test_data_may_be_nested_as_its_shape(tensor: tuple[str, Array]) -> None:
    datatype, array = tensor
    back = read({"shape": array.shape, "datatype": datatype, "data": array.tolist()}, spec(datatype, *array.shape[1:]))
    assert back.shape == array.shape
    assert back.tolist() == array.tolist()


def test_indented_data_is_data() -> None:
    text = msgspec.json.format(msgspec.json.encode([[[[1.5]]]]), indent=40)
    tensor = {"shape": [1, 1, 1, 1], "datatype": "FP32", "data": msgspec.Raw(text)}
    assert read(tensor, spec("FP32", 1, 1, 1)).tolist() == [[[[1.5]]]]


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_null_and_nan_are_missing_values_where_they_are_allowed(datatype: str) -> None:
    of, array = spec(datatype, 2, nullable=True), np.array([[1, np.nan]], DTYPES[datatype])
    for data in ([1, None], [[1, None]]):
        assert read({"shape": [1, 2], "datatype": datatype, "data": data}, of).tobytes() == array.tobytes()
    for binary in (True, False):
        header, raw = write_tensor("x", datatype, array, binary=binary)
        assert read(header, of, raw).tobytes() == array.tobytes()


@pytest.mark.parametrize("datatype", [datatype for datatype in DTYPES if not datatype.startswith("FP")])
def test_what_has_no_nan_has_no_null(datatype: str) -> None:
    tensor = {"shape": [2, 1], "datatype": datatype, "data": [None, None]}
    message, where = refusal(tensor, spec(datatype, 1, nullable=True))
    assert message.endswith("got `null`")
    assert where == ".data[0]"


@pytest.mark.parametrize("datatype", [datatype for datatype in NUMBERS if "INT" in datatype])
def test_integers_end_where_their_datatype_does(datatype: str) -> None:
    limits = np.iinfo(DTYPES[datatype])
    lowest, highest = int(limits.min), int(limits.max)
    for data in ([highest, lowest], [[highest], [lowest]]):
        array = read({"shape": [2, 1], "datatype": datatype, "data": data}, spec(datatype, 1))
        assert array.tolist() == [[highest], [lowest]]
    for outside in (lowest - 1, highest + 1):
        assert (
            refusal({"shape": [2, 1], "datatype": datatype, "data": [0, outside]}, spec(datatype, 1))[1] == ".data[1]"
        )
        nested = {"shape": [2, 1], "datatype": datatype, "data": [[0], [outside]]}
        assert refusal(nested, spec(datatype, 1))[1] == ".data[1][0]"


def test_a_float32_is_what_rounds_to_one() -> None:
    largest = float(np.finfo(np.float32).max)
    data = [largest, -3.4028235e38, 1e-50, 16777217]
    array = read({"shape": [1, 4], "datatype": "FP32", "data": data}, spec("FP32", 4))
    assert array.tolist() == [[largest, -largest, 0.0, 16777216.0]]
    for large in (3.4028236e38, -1e39, 10**300):
        message, where = refusal({"shape": [1, 2], "datatype": "FP32", "data": [0, large]}, spec("FP32", 2))
        assert message.startswith("Expected `float` ")
        assert where == ".data[1]"


FLOAT = spec("FP32", 2)
TWO = struct.pack("<2f", 1, 2)


@pytest.mark.parametrize(
    ("change", "message", "where"),
    [
        ({"datatype": "FP64"}, "expected datatype FP32, got 'FP64'", ".datatype"),
        ({"datatype": "\x1b" * 1000}, "expected datatype FP32, got '\\x1b", ".datatype"),
        ({"shape": [2]}, "expected shape [-1, 2], got [2]", ".shape"),
        ({"shape": [2, 1]}, "expected shape [-1, 2], got [2, 1]", ".shape"),
        ({"shape": [0, 2]}, "expected shape [-1, 2], got [0, 2]", ".shape"),
        ({"shape": []}, "expected shape [-1, 2], got []", ".shape"),
        ({"shape": [2, 2]}, "expected 4 values, got 2", ".data"),
        ({"shape": [2**31 - 1, 2]}, "expected 4294967294 values, got 2", ".data"),
        ({"data": []}, "expected 2 values, got 0", ".data"),
        ({"data": [[1], [2]]}, "expected 1 values, got 2", ".data"),
        ({"data": [[1, 2], []], "shape": [2, 2]}, "expected 2 values, got 0", ".data[1]"),
        ({"data": [[1, 2], [3]], "shape": [2, 2]}, "expected 2 values, got 1", ".data[1]"),
        ({"data": [[1, 2], 3], "shape": [2, 2]}, "Expected `array`, got `int`", ".data[1]"),
        ({"data": [1, [2]]}, "Expected `float`, got `array`", ".data[1]"),
        ({"data": [[[1, 2]]]}, "expected a flat list, or one nested as the shape [1, 2]", ".data"),
        ({"data": 5}, "expected a flat list", ".data"),
        ({"data": None}, "expected a flat list", ".data"),
        ({"data": {"a": 1}}, "expected a flat list", ".data"),
        ({"data": [1, {"a": 1}]}, "Expected `float`, got `object`", ".data[1]"),
        ({"data": [1, "2"]}, "Expected `float`, got `str`", ".data[1]"),
        ({"data": [1, "\ud7ff"]}, "Expected `float`, got `str`", ".data[1]"),
        ({"data": [True, 2]}, "Expected `float`, got `bool`", ".data[0]"),
        ({"data": [[1, False]]}, "Expected `float`, got `bool`", ".data[0][1]"),
        ({"data": [1, None]}, "Expected `float`, got `null`", ".data[1]"),
        ({"data": msgspec.Raw(b"[1,1e999]")}, "Number out of range", ".data[1]"),
        ({"data": msgspec.Raw(b"[1," + b"9" * 5000 + b"]")}, "Number out of range", ".data[1]"),
        ({"parameters": {"binary_data_size": 8}}, "a tensor has either data or binary_data_size", ""),
    ],
)
def test_json_that_does_not_fit_is_refused_with_its_place(change: dict[str, Any], message: str, where: str) -> None:
    refused, place = refusal({"shape": [1, 2], "datatype": "FP32", "data": [1, 2], **change}, FLOAT)
    assert refused.startswith(message)
    assert place == where
    assert len(refused) < 128
    assert refused.isprintable()


@pytest.mark.parametrize(
    ("datatype", "data", "message", "where"),
    [
        ("INT32", [1, 1.0], "Expected `int`, got `float`", ".data[1]"),
        ("INT32", [1, True], "Expected `int`, got `bool`", ".data[1]"),
        ("INT32", [1, "1"], "Expected `int`, got `str`", ".data[1]"),
        ("INT64", msgspec.Raw(b"[1," + b"9" * 5000 + b"]"), "Integer value out of range", ".data[1]"),
        ("UINT64", [1, 10**400], "out of range for UINT64", ".data[1]"),
        ("BOOL", [True, 1], "Expected `bool`, got `int`", ".data[1]"),
        ("BOOL", [True, "true"], "Expected `bool`, got `str`", ".data[1]"),
        ("BYTES", ["", 1], "Expected `str`, got `int`", ".data[1]"),
        ("BYTES", ["", None], "Expected `str`, got `null`", ".data[1]"),
        ("BYTES", msgspec.Raw(b'["","\xff"]'), "not JSON: a string is not UTF-8", ".data"),
        ("FP64", msgspec.Raw(b'[1,"\xff"]'), "Expected `float`, got `str`", ".data[1]"),
    ],
)
def test_each_datatype_takes_its_own_kind_alone(datatype: str, data: Any, message: str, where: str) -> None:
    tensor = {"shape": [2, 1], "datatype": datatype, "data": data}
    assert refusal(tensor, spec(datatype, 1)) == (message, where)


@pytest.mark.parametrize(
    ("datatype", "size", "raw", "message", "where"),
    [
        ("FP32", 4, b"1234", "FP32 of shape [2, 1] does not take 4 bytes", ""),
        ("FP32", 9, b"123456789", "FP32 of shape [2, 1] does not take 9 bytes", ""),
        ("FP32", 0, b"", "FP32 of shape [2, 1] does not take 0 bytes", ""),
        ("FP32", 8, b"1234", "8 bytes of binary data are announced, 4 are there", ".parameters.binary_data_size"),
        ("FP32", 8, struct.pack("<2f", 1, float("nan")), "expected a finite number, got nan", ".data[1]"),
        ("FP64", 16, struct.pack("<2d", 1, float("-inf")), "expected a finite number, got -inf", ".data[1]"),
        ("BOOL", 2, b"\x01\x02", "expected a byte of 0 or 1, got 2", ".data[1]"),
        ("BYTES", 0, b"", "0 bytes do not hold 2 strings", ""),
        ("BYTES", 4, b"\0\0\0\0", "4 bytes do not hold 2 strings", ""),
        ("BYTES", 12, b"\0" * 12, "12 bytes do not hold 2 strings", ""),
        ("BYTES", 6, b"\0\0\0\0\0\0", "the bytes end within a string", ".data[1]"),
        ("BYTES", 9, b"\1\0\0\0a\2\0\0\0", "the bytes end within a string", ".data[1]"),
        ("BYTES", 8, b"\0\0\0\0\xff\xff\xff\xff", "the bytes end within a string", ".data[1]"),
        ("BYTES", 10, b"\1\0\0\0a\1\0\0\0\xff", "a string is not UTF-8", ".data[1]"),
        ("BYTES", 12, b"\0\0\0\0\4\0\0\0\xed\xa0\x80a", "a string is not UTF-8", ".data[1]"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_with_their_place(
    datatype: str, size: int, raw: bytes, message: str, where: str
) -> None:
    tensor = {"shape": [2, 1], "datatype": datatype, "parameters": {"binary_data_size": size}}
    assert refusal(tensor, spec(datatype, 1), raw) == (message, where)


def test_infinity_is_no_missing_value() -> None:
    tensor = {"shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    raw = struct.pack("<2f", float("nan"), float("inf"))
    assert refusal(tensor, spec("FP32", 2, nullable=True), raw) == ("expected a finite number, got inf", ".data[1]")


def test_bytes_of_no_tensor_are_refused() -> None:
    tensor = {"shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    assert refusal(tensor, FLOAT, TWO + b"123") == ("3 bytes of binary data belong to no tensor", "$")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"shape": [-1, 2]}, "$.shape[0]"),
        ({"shape": [2**62, 30]}, "$.shape[0]"),
        ({"shape": [1, 10**400]}, "$.shape[1]"),
        ({"shape": [1.0, 2]}, "$.shape[0]"),
        ({"shape": [True, 2]}, "$.shape[0]"),
        ({"shape": [1] * 9}, "$.shape"),
        ({"shape": None}, "$.shape"),
        ({"name": None}, "$.name"),
        ({"datatype": 5}, "$.datatype"),
        ({"parameters": []}, "$.parameters"),
        ({"parameters": {"binary_data_size": -1}}, "$.parameters.binary_data_size"),
        ({"parameters": {"binary_data_size": True}}, "$.parameters.binary_data_size"),
        ({"parameters": {"binary_data_size": "8"}}, "$.parameters.binary_data_size"),
        ({"parameters": {"binary_data_size": 10**400}}, "$.parameters.binary_data_size"),
    ],
)
def test_a_header_of_other_types_is_no_tensor(change: dict[str, Any], where: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r" - at `(.*)`") as caught:
        TENSOR.decode(msgspec.json.encode({"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [], **change}))
    assert f"`{where}`" in str(caught.value)


@pytest.mark.parametrize("datatype", sorted(DTYPES))
def test_a_huge_shape_costs_nothing(datatype: str) -> None:
    huge = {"shape": [2**31 - 1] * 8, "datatype": datatype}
    of = TensorSpec("x", datatype, (-1,) * 8)
    began = time.process_time()
    assert refusal({**huge, "data": [None]}, of)[1].startswith(".data")
    assert refusal({**huge, "parameters": {"binary_data_size": 0}}, of)[1] == ""
    assert time.process_time() - began < 0.5


def test_what_is_written_has_the_datatype_that_it_says() -> None:
    array = np.array([[1.1]])
    header, _ = write_tensor("x", "FP32", array, binary=False)
    assert header == {"name": "x", "shape": (1, 1), "datatype": "FP32", "data": [float(np.float32(1.1))]}
    header, raw = write_tensor("x", "FP32", array, binary=True)
    assert header["parameters"] == {"binary_data_size": 4}
    assert raw == struct.pack("<f", 1.1)


def test_columns_of_a_larger_array_are_written_in_row_order() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)[:, 1:]
    assert write_tensor("x", "FP32", array, binary=False)[0]["data"] == [1, 2, 4, 5]
    assert write_tensor("x", "FP32", array, binary=True)[1] == struct.pack("<4f", 1, 2, 4, 5)

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidRequest
from models.types import Array, Signature, TensorSpec, regressor
from server.codecs.instances import read_instances
from tests.models.oip.strategies import arrays_of

NAMES = ("mean radius", "mean texture", "worst area")
ROW = regressor((TensorSpec("features", "FP32", (-1, 3), NAMES),))
NULLABLE = regressor((TensorSpec("features", "FP32", (-1, 3), NAMES, nullable=True),))
NAMELESS = regressor((TensorSpec("features", "FP32", (-1, 3)),))
MIXED = regressor(
    (
        TensorSpec("age", "FP32", (-1, 1), ("age",), nullable=True),
        TensorSpec("visits", "INT64", (-1, 1), ("visits",)),
        TensorSpec("city", "BYTES", (-1, 1), ("city",)),
    )
)
HALF_NAMED = regressor((TensorSpec("age", "FP32", (-1, 1), ("age",)), TensorSpec("more", "FP32", (-1, 2))))
DATATYPES = ("BOOL", "BYTES", "FP32", "FP64", "INT8", "UINT64")
EVERYTHING = regressor(tuple(TensorSpec(name, name, (-1, 1), (name,)) for name in DATATYPES))


def read(rows: Any, signature: Signature = ROW) -> Mapping[str, Array]:
    return read_instances(msgspec.json.encode(rows), signature)


def refusal(raw: bytes, signature: Signature = ROW) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_instances(raw, signature)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
    return str(caught.value), caught.value.where


def test_rows_are_lists_in_the_order_of_the_features() -> None:
    array = read([[1, 2.5, 3], [4, 5, 6]])["features"]
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2.5, 3], [4, 5, 6]]


def test_rows_are_objects_in_any_order_of_the_keys() -> None:
    rows = [{"worst area": 3, "mean radius": 1, "mean texture": 2.5}, dict(zip(NAMES, (4, 5, 6), strict=True))]
    assert read(rows)["features"].tolist() == [[1, 2.5, 3], [4, 5, 6]]


def test_rows_may_be_lists_and_objects() -> None:
    assert read([[1, 2, 3], dict(zip(NAMES, (4, 5, 6), strict=True))])["features"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_feature_may_have_any_name() -> None:
    signature = regressor((TensorSpec("x", "FP32", (-1, 2), ("color:red", '"{Ü}"')),))
    assert read([{'"{Ü}"': 2, "color:red": 1}], signature)["x"].tolist() == [[1, 2]]


def test_columns_of_different_datatypes_become_tensors_of_their_own() -> None:
    for rows in (
        [[1.5, 2**53 + 1, "{Zürich}"], [None, -1, ""]],
        [{"city": "{Zürich}", "visits": 2**53 + 1, "age": 1.5}, {"age": None, "visits": -1, "city": ""}],
    ):
        inputs = read(rows, MIXED)
        assert list(inputs) == ["age", "visits", "city"]
        assert inputs["age"].dtype == np.float32
        assert inputs["age"][0, 0] == 1.5
        assert np.isnan(inputs["age"][1, 0])
        assert inputs["visits"].tolist() == [[2**53 + 1], [-1]]
        assert inputs["city"].tolist() == [["{Zürich}"], [""]]


def test_a_tensor_may_have_one_column_without_a_second_axis_or_more_axes() -> None:
    texts = regressor((TensorSpec("text", "BYTES", (-1,), ("text",)),))
    assert read([["a"], {"text": "b"}], texts)["text"].tolist() == ["a", "b"]
    images = regressor((TensorSpec("image", "FP32", (-1, 2, 2)),))
    assert read([[1, 2, 3, 4]], images)["image"].tolist() == [[[1, 2], [3, 4]]]


@pytest.mark.parametrize("named", [False, True])
def test_null_is_a_missing_value_where_it_is_allowed(named: bool) -> None:
    values = [1, None, 3]
    row = dict(zip(NAMES, values, strict=True)) if named else values
    assert np.isnan(read([row], NULLABLE)["features"]).tolist() == [[False, True, False]]


@given(st.data(), st.integers(1, 4), st.booleans())
def test_every_value_comes_back_bit_by_bit(data: st.DataObject, rows: int, named: bool) -> None:
    columns = [data.draw(arrays_of(datatype, st.just((rows,)))) for datatype in DATATYPES]
    written: Sequence[Any] = list(zip(*(column.tolist() for column in columns), strict=True))
    if named:
        written = [dict(zip(DATATYPES, row, strict=True)) for row in written]
    inputs = read(written, EVERYTHING)
    for datatype, column in zip(DATATYPES, columns, strict=True):
        assert inputs[datatype].shape == (rows, 1)
        assert inputs[datatype].dtype == column.dtype
        if datatype == "BYTES":
            assert inputs[datatype][:, 0].tolist() == column.tolist()
        else:
            assert inputs[datatype].tobytes() == column.tobytes()


@pytest.mark.parametrize(
    ("raw", "message", "where"),
    [
        (b"null", "expected a list of rows", "$.instances"),
        (b"5", "expected a list of rows", "$.instances"),
        (b'"x"', "expected a list of rows", "$.instances"),
        (b"{}", "expected a list of rows", "$.instances"),
        (b'{"mean radius":1}', "expected a list of rows", "$.instances"),
        (b"[]", "expected at least one row", "$.instances"),
        (b"[1,2,3]", "Expected `array`, got `int`", "$.instances[0]"),
        (b"[[1,2,3],4]", "Expected `array`, got `int`", "$.instances[1]"),
        (b"[[]]", "Expected `array` of length 3, got 0", "$.instances[0]"),
        (b"[[1,2,3],[4,5]]", "Expected `array` of length 3, got 2", "$.instances[1]"),
        (b"[[1,2,3],[4,5,6,7]]", "Expected `array` of length 3, got 4", "$.instances[1]"),
        (b"[[1,2,3],[4,5,null]]", "Expected `float`, got `null`", "$.instances[1][2]"),
        (b"[[1,true,3]]", "Expected `float`, got `bool`", "$.instances[0][1]"),
        (b'[[1,"true",3]]', "Expected `float`, got `str`", "$.instances[0][1]"),
        (b'[[1,"2",3]]', "Expected `float`, got `str`", "$.instances[0][1]"),
        (b'[[1,"\xff",3]]', "not JSON: a string is not UTF-8", "$.instances"),
        (b"[[1,[2],3]]", "Expected `float`, got `array`", "$.instances[0][1]"),
        (b'[[1,{"a":2},3]]', "Expected `float`, got `object`", "$.instances[0][1]"),
        (b"[[1,1e39,3]]", "Expected `float` < 3.4028235", "$.instances[0][1]"),
        (b"[[1,-1e39,3]]", "Expected `float` > -3.4028235", "$.instances[0][1]"),
        (b"[[1,1e999,3]]", "Number out of range", "$.instances[0][1]"),
        (b"[[1," + b"9" * 5000 + b",3]]", "Integer value out of range", "$.instances[0][1]"),
        (b"[[1,NaN,3]]", "not JSON: invalid character", "$.instances"),
        (b"[[1,Infinity,3]]", "not JSON: invalid character", "$.instances"),
        (b"[" * 400_000, "nested too deeply", "$.instances"),
        (b'[{"a":' + b"[" * 400_000, "nested too deeply", "$.instances"),
        (b'[{"\xff":1}]', "not JSON: a string is not UTF-8", "$.instances"),
        (b'[{"\\ud800":1}]', "not JSON: ", "$.instances"),
        (b"[{}]", "missing features: mean radius, mean texture, worst area", "$.instances[0]"),
        (
            b'[[1,2,3],{"mean radius":1,"worst area":3}]',
            "missing features: mean texture",
            "$.instances[1]",
        ),
        (
            b'[{"mean radus":1,"mean texture":2,"worst area":3}]',
            "unknown feature 'mean radus'; did you mean 'mean radius'?",
            "$.instances[0]",
        ),
        (
            b'[{"mean radius":1,"mean texture":2,"worst area":3,"qqq":4}]',
            "unknown feature 'qqq'; there are: mean radius, mean texture, worst area",
            "$.instances[0]",
        ),
        (b'[{"' + b"\x7f" * 10**6 + b'":1}]', "unknown feature '\\x7f\\x7f", "$.instances[0]"),
        (
            b'[[1,2,3],{"mean radius":1,"mean texture":2,"worst area":3,"mean radius":4}]',
            "the key 'mean radius' comes twice",
            "$.instances[1]",
        ),
        (
            b'[{"worst area":3,"mean radius":null,"mean texture":2}]',
            "Expected `float`, got `null`",
            "$.instances[0]['mean radius']",
        ),
        (
            b'[[1,2,3],{"worst area":"3","mean radius":1,"mean texture":2}]',
            "Expected `float`, got `str`",
            "$.instances[1]['worst area']",
        ),
        (
            b'[{"worst area":3,"mean radius":1,"mean texture":2},[1,2,true]]',
            "Expected `float`, got `bool`",
            "$.instances[1][2]",
        ),
        (
            b'[{"worst area":3,"mean radius":1,"mean texture":2},[1,2]]',
            "Expected `array` of length 3",
            "$.instances[1]",
        ),
        (b'[{"worst area":1e999,"mean radius":1,"mean texture":2}]', "Number out of range", "$.instances[0]"),
        (
            b'[{"worst area":1e39,"mean radius":1,"mean texture":2}]',
            "Expected `float` < ",
            "$.instances[0]['worst area']",
        ),
    ],
)
def test_bad_rows_are_refused_with_their_place(raw: bytes, message: str, where: str) -> None:
    began = time.process_time()
    refused, place = refusal(raw)
    assert refused.startswith(message)
    assert place == where
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("row", "message", "where"),
    [
        ([1, 2.0, "a"], "Expected `int`, got `float`", "[1]"),
        ([1, True, "a"], "Expected `int`, got `bool`", "[1]"),
        ([1, None, "a"], "Expected `int`, got `null`", "[1]"),
        ([1, 2**63, "a"], "Expected `int` <= 9223372036854775807", "[1]"),
        ([1, 2, 3], "Expected `str`, got `int`", "[2]"),
        ([1, 2, None], "Expected `str`, got `null`", "[2]"),
        (["1", 2, "a"], "Expected `float | null`, got `str`", "[0]"),
        ([1, 2], "Expected `array` of length 3, got 2", ""),
        ({"age": 1, "visits": "2", "city": "a"}, "Expected `int`, got `str`", "['visits']"),
    ],
)
def test_each_column_takes_its_own_kind_alone(row: object, message: str, where: str) -> None:
    assert refusal(msgspec.json.encode([[1, 2, "a"], row]), MIXED) == (message, f"$.instances[1]{where}")


def test_numbers_over_uint64_are_refused_with_their_place() -> None:
    signature = regressor((TensorSpec("a", "FP32", (-1, 2)), TensorSpec("b", "UINT64", (-1, 2))))
    expected = ("out of range for UINT64", "$.instances[1][3]")
    assert refusal(msgspec.json.encode([[1, 2, 3, 2**64 - 1], [1, 2, 3, 2**64]]), signature) == expected


@pytest.mark.parametrize("signature", [NAMELESS, HALF_NAMED])
def test_objects_need_a_name_for_every_column(signature: Signature) -> None:
    assert read([[1, 2, 3]], signature)
    expected = ("the columns have no names here: expected a list of values", "$.instances[0]")
    assert refusal(b'[{"age":1}]', signature) == expected


def test_many_objects_are_read_in_little_time() -> None:
    raw = msgspec.json.encode([dict(zip(NAMES, (1, 2, 3), strict=True))] * 30_000)
    began = time.process_time()
    assert read_instances(raw, ROW)["features"].shape == (30_000, 3)
    assert time.process_time() - began < 1


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["age", "visits", "city", "x"]), inner),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3) | JSON)
def test_no_json_gives_another_error(value: Any) -> None:
    for signature in (ROW, NULLABLE, MIXED, NAMELESS):
        try:
            inputs = read(value, signature)
        except InvalidRequest as error:
            refused = error
        else:
            assert {len(array) for array in inputs.values()} == {len(value)}
            continue
        assert (str(refused) + refused.where).isprintable()


@given(st.binary(max_size=50) | st.text('[]{}1,-.e"\\aunl: ').map(str.encode))
def test_no_bytes_give_another_error(raw: bytes) -> None:
    for signature in (ROW, MIXED):
        refusal(raw, signature)


MANY = [[number + 0.25, -number, 3e-7 * number] for number in range(20_000)]


def test_many_rows_are_read_as_few_are() -> None:
    features = read(MANY)["features"]
    assert features.dtype == np.float32
    assert np.array_equal(features, np.array(MANY, np.float32))
    assert np.isnan(read([*MANY, [None, 1, 2]], NULLABLE)["features"][-1, 0])
    assert read(MANY, HALF_NAMED)["more"].tolist() == np.array(MANY, np.float32)[:, 1:].tolist()


def test_a_wrong_value_behind_many_has_its_place() -> None:
    assert refusal(msgspec.json.encode([*MANY, [1, None, 2]]))[1] == "$.instances[20000][1]"
    assert refusal(msgspec.json.encode([*MANY, {"mean radius": 1}]))[1] == "$.instances[20000]"

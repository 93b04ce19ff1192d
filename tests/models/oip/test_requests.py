import struct
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidRequest
from models.oip.requests import decode_request, encode_request
from models.types import DTYPES, Array, InferRequest, Signature, TensorSpec, classifier, regressor
from tests.models.oip.strategies import arrays_of

ROW = TensorSpec("row", "FP32", (-1, 3), ("a", "b", "c"))
MODEL = classifier((ROW,), ("no", "yes"))
COLUMNS = regressor(
    (
        TensorSpec("age", "FP32", (-1, 1), ("age",), nullable=True),
        TensorSpec("visits", "INT64", (-1, 1), ("visits",)),
        TensorSpec("city", "BYTES", (-1, 1), ("city",)),
    )
)
ALL = regressor(tuple(TensorSpec(name, name, (-1, 2)) for name in sorted(DTYPES)))
DATA = {"name": "row", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
RAW = {"name": "row", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24}}
COLUMN = {
    "age": {"name": "age", "shape": [2, 1], "datatype": "FP32", "data": [1.5, None]},
    "visits": {"name": "visits", "shape": [2, 1], "datatype": "INT64", "data": [2**53 + 1, -1]},
    "city": {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["Zürich", ""]},
}


def body_of(*inputs: Mapping[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({"inputs": inputs, **more})


def binary_body() -> tuple[bytes, int]:
    request = InferRequest({"row": np.arange(6, dtype=np.float32).reshape(2, 3)}, "the-id")
    body, length = encode_request(request, [ROW], ["probabilities"])
    assert length is not None
    return body, length


def refusal(body: bytes, header_length: int | None = None, signature: Signature = MODEL) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body, header_length, signature)
    assert len(str(caught.value)) <= 160
    assert str(caught.value).isprintable()
    return str(caught.value), caught.value.where


@st.composite
def rows_of_everything(draw: st.DrawFn) -> dict[str, Array]:
    rows = draw(st.integers(1, 3))
    inputs: dict[str, Array] = {}
    for spec in ALL.inputs:
        inputs[spec.name] = draw(arrays_of(spec.datatype, st.just((rows, 2))))
    return inputs


def same(one: Array, other: Array) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()


@given(rows_of_everything(), st.text(max_size=5), st.booleans())
def test_a_request_comes_back_bit_by_bit(inputs: dict[str, Array], request_id: str, binary: bool) -> None:
    body, length = encode_request(InferRequest(inputs, request_id), ALL.inputs, ["predictions"], binary=binary)
    assert (length is not None) is binary
    decoded = decode_request(body, length, ALL)
    assert decoded.id == request_id
    assert decoded.wanted == {"predictions": binary}
    assert list(decoded.inputs) == [spec.name for spec in ALL.inputs]
    assert all(same(decoded.inputs[name], array) for name, array in inputs.items())


def test_a_request_uses_the_names_of_its_receiver() -> None:
    theirs = TensorSpec("x", "FP64", (-1, 3))
    request = InferRequest({"row": np.ones((1, 3), np.float32)})
    body, length = encode_request(request, [theirs], ["out"])
    decoded = decode_request(body, length, Signature("transform", (theirs,), (TensorSpec("out", "FP64", (-1,)),)))
    assert decoded.inputs["x"].dtype == np.float64
    assert decoded.wanted == {"out": True}


def test_inputs_of_different_datatypes_may_come_in_any_order() -> None:
    decoded = decode_request(body_of(COLUMN["city"], COLUMN["visits"], COLUMN["age"]), None, COLUMNS)
    assert list(decoded.inputs) == ["age", "visits", "city"]
    assert decoded.inputs["age"].dtype == np.float32
    assert decoded.inputs["age"][0, 0] == 1.5
    assert np.isnan(decoded.inputs["age"][1, 0])
    assert decoded.inputs["visits"].tolist() == [[2**53 + 1], [-1]]
    assert decoded.inputs["city"].tolist() == [["Zürich"], [""]]


def test_some_inputs_may_be_binary_and_others_json() -> None:
    first = {"name": "age", "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    last = {"name": "city", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 9}}
    header = body_of(first, COLUMN["visits"], last)
    raw = struct.pack("<2f", 1.5, 2.5) + b"\1\0\0\0a\0\0\0\0"
    decoded = decode_request(header + raw, len(header), COLUMNS)
    assert decoded.inputs["age"].tolist() == [[1.5], [2.5]]
    assert decoded.inputs["city"].tolist() == [["a"], [""]]


def test_outputs_are_those_wanted_else_all() -> None:
    def wanted(**more: Any) -> dict[str, bool]:
        return decode_request(body_of(DATA, **more), None, MODEL).wanted

    assert wanted() == {"predictions": False, "probabilities": False}
    assert wanted(outputs=[]) == {"predictions": False, "probabilities": False}
    everything = {"binary_data_output": True}
    assert wanted(parameters=everything) == {"predictions": True, "probabilities": True}
    some = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "predictions"}]
    assert list(wanted(outputs=some).items()) == [("probabilities", True), ("predictions", False)]
    but = [
        {"name": "probabilities", "parameters": {"binary_data": False, "classification": 3}},
        {"name": "predictions"},
    ]
    assert wanted(outputs=but, parameters=everything) == {"probabilities": False, "predictions": True}


def test_what_else_a_client_sends_is_left_alone() -> None:
    tensor = {**DATA, "parameters": {"content_type": "np"}, "more": {"a": [1]}}
    decoded = decode_request(body_of(tensor, id="7", parameters={"any": 1}, more=[1]), None, MODEL)
    assert decoded.id == "7"
    assert decoded.parameters == {"any": 1}


@pytest.mark.parametrize(
    ("body", "message", "where"),
    [
        (b"", "not JSON: ", "$"),
        (b"<html>", "not JSON: invalid character (byte 0)", "$"),
        (b"\xef\xbb\xbf" + body_of(DATA), "not JSON: invalid character (byte 0)", "$"),
        (b"[" * 400_000, "Expected `object`, got `array`", "$"),
        (b'{"inputs":' + b"[" * 400_000, "Expected `object`, got `array`", "$.inputs[0]"),
        (b'{"x":' + b"[" * 400_000, "nested too deeply", "$"),
        (b"{}", "Object missing required field `inputs`", "$"),
        (b'{"inputs":{}}', "Expected `array`, got `object`", "$.inputs"),
        (b'{"inputs":[]}', "missing input: row", "$.inputs"),
        (b'{"inputs":[5]}', "Expected `object`, got `int`", "$.inputs[0]"),
        (b'{"inputs":[{"name":"row"}]}', "Object missing required field `shape`", "$.inputs[0]"),
        (body_of(DATA, DATA), "input 'row' comes twice", "$.inputs[1].name"),
        (body_of({**DATA, "name": "rwo"}), "unknown input 'rwo'; did you mean 'row'?", "$.inputs[0].name"),
        (body_of({**DATA, "name": "\n" * 10**6}), "unknown input '\\n\\n", "$.inputs[0].name"),
        (body_of({**DATA, "datatype": "FP64"}), "expected datatype FP32, got 'FP64'", "$.inputs[0].datatype"),
        (body_of({**DATA, "shape": [6]}), "expected shape [-1, 3], got [6]", "$.inputs[0].shape"),
        (body_of({**DATA, "shape": [-2, 3]}), "Expected `int` >= 0", "$.inputs[0].shape[0]"),
        (body_of({**DATA, "shape": [2**62, 3]}), "Expected `int` <= 2147483647", "$.inputs[0].shape[0]"),
        (body_of({**DATA, "shape": [0, 3], "data": []}), "expected shape [-1, 3], got [0, 3]", "$.inputs[0].shape"),
        (body_of({**DATA, "data": [1, 2, 3, 4, 5, None]}), "Expected `float`, got `null`", "$.inputs[0].data[5]"),
        (body_of({**DATA, "data": [1, 2, 3, 4, 5, 1e39]}), "Expected `float` < 3.4028235", "$.inputs[0].data[5]"),
        (body_of({**DATA, "data": [1, 2, 3, 4, 5]}), "expected 6 values, got 5", "$.inputs[0].data"),
        (body_of(RAW), "24 bytes of binary data are announced", "$.inputs[0].parameters.binary_data_size"),
        (body_of(DATA, id=5), "Expected `str`, got `int`", "$.id"),
        (body_of(DATA, parameters=[]), "Expected `object`, got `array`", "$.parameters"),
        (body_of(DATA, parameters=None), "Expected `object`, got `null`", "$.parameters"),
        (
            body_of(DATA, parameters={"binary_data_output": "yes"}),
            "expected true or false",
            "$.parameters.binary_data_output",
        ),
        (body_of(DATA, outputs="all"), "Expected `array`, got `str`", "$.outputs"),
        (body_of(DATA, outputs=[{}]), "Object missing required field `name`", "$.outputs[0]"),
        (
            body_of(DATA, outputs=[{"name": "probabilitys"}]),
            "unknown output 'probabilitys'; did you mean 'probabilities'?",
            "$.outputs[0].name",
        ),
        (
            body_of(DATA, outputs=[{"name": "predictions"}] * 2),
            "output 'predictions' comes twice",
            "$.outputs[1].name",
        ),
        (
            body_of(DATA, outputs=[{"name": "predictions", "parameters": {"binary_data": 1}}]),
            "Expected `bool | null`, got `int`",
            "$.outputs[0].parameters.binary_data",
        ),
        (body_of(DATA)[:-1] + b',"id":"a","id":"b"}', "the key 'id' comes twice", "$"),
        (body_of(DATA)[:-1] + b',"inputs":[]}', "missing input: row", "$.inputs"),
        (b'{"inputs":[],' + body_of(DATA)[1:], "the key 'inputs' comes twice", "$"),
        (body_of(DATA).replace(b'"data"', b'"data":[9],"data"'), "the key 'data' comes twice", "$.inputs[0]"),
        (body_of(DATA)[:-1] + b',"more":' + b"9" * 5000 + b"}", "not JSON: a number is too long", "$"),
        (body_of(DATA)[:-1] + b',"more":"\xff"}', "not JSON: a string is not UTF-8", "$"),
        (body_of(DATA)[:-1] + b',"id":"\\ud800"}', "not JSON: ", "$"),
        (body_of(DATA)[:-1] + b',"parameters":{"a":1e999}}', "Number out of range", "$.parameters"),
    ],
)
def test_a_bad_body_is_refused_with_its_place(body: bytes, message: str, where: str) -> None:
    began = time.process_time()
    refused, place = refusal(body)
    assert refused.startswith(message)
    assert place == where
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["age", "visits"], "missing input: city"),
        (["city"], "missing input: age, visits"),
        ([], "missing input: age, visits, city"),
    ],
)
def test_every_input_is_needed(inputs: list[str], message: str) -> None:
    assert refusal(body_of(*(COLUMN[name] for name in inputs)), None, COLUMNS) == (message, "$.inputs")


def test_all_inputs_need_the_same_number_of_rows() -> None:
    longer = {**COLUMN["visits"], "shape": [3, 1], "data": [1, 2, 3]}
    expected = ("all inputs need the same number of rows, got [2, 3]", "$.inputs")
    assert refusal(body_of(COLUMN["age"], longer, COLUMN["city"]), None, COLUMNS) == expected


@pytest.mark.parametrize("length", [-1, 10**6, 2**70])
def test_a_header_that_is_not_in_the_body_is_refused(length: int) -> None:
    body, _ = binary_body()
    message = f"the JSON header is said to be {length} bytes long, the body has {len(body)}"
    assert refusal(body, length) == (message, "$")


@pytest.mark.parametrize(
    ("size", "raw", "message", "where"),
    [
        (24, 23, "24 bytes of binary data are announced, 23 are there", "$.inputs[0].parameters.binary_data_size"),
        (24, 25, "1 bytes of binary data belong to no tensor", "$"),
        (23, 24, "FP32 of shape [2, 3] does not take 23 bytes", "$.inputs[0]"),
        (28, 28, "FP32 of shape [2, 3] does not take 28 bytes", "$.inputs[0]"),
        (-1, 24, "Expected `int` >= 0", "$.inputs[0].parameters.binary_data_size"),
    ],
)
def test_binary_sizes_must_add_up(size: int, raw: int, message: str, where: str) -> None:
    header = body_of({**RAW, "parameters": {"binary_data_size": size}})
    assert refusal(header + bytes(raw), len(header)) == (message, where)


def test_data_is_json_or_binary_but_not_both() -> None:
    header = body_of({**RAW, **DATA})
    assert refusal(header + bytes(24), len(header)) == (
        "a tensor has either data or binary_data_size, not both",
        "$.inputs[0]",
    )


def test_a_binary_body_cut_anywhere_is_refused() -> None:
    body, length = binary_body()
    assert decode_request(body, length, MODEL).inputs["row"].tolist() == [[0, 1, 2], [3, 4, 5]]
    for end in range(len(body)):
        refusal(body[:end], length)
        refusal(body[:end], min(length, end))
        if end != length:
            refusal(body, end)


def test_a_json_body_cut_anywhere_is_refused() -> None:
    body = body_of(DATA, id="x", outputs=[{"name": "predictions"}])
    for end in range(len(body)):
        refusal(body[:end])


def is_refused(body: bytes, length: int | None, signature: Signature = MODEL) -> bool:
    try:
        decode_request(body, length, signature)
    except InvalidRequest as error:
        refused = error
    else:
        return False
    assert max(len(str(refused)), len(refused.where)) < 256
    assert (str(refused) + refused.where).isprintable()
    return True


@given(st.binary(max_size=64), st.none() | st.integers(-1, 70))
def test_random_bytes_are_refused(body: bytes, length: int | None) -> None:
    assert is_refused(body, length)


def json() -> st.SearchStrategy[Any]:
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(10**40, 10**41)
    leaves = st.none() | st.booleans() | numbers | st.text(max_size=5)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "inputs": st.lists(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "name": st.sampled_from(["age", "visits", "city"]) | json(),
                        "shape": st.just([2, 1]) | json(),
                        "datatype": st.sampled_from(["FP32", "INT64", "BYTES"]) | json(),
                        "data": st.lists(json(), min_size=2, max_size=2) | json(),
                        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": json()}) | json(),
                    },
                ),
                max_size=4,
            )
            | json(),
            "id": json(),
            "parameters": json(),
            "outputs": json(),
        },
    )
)
def test_no_json_gives_another_error(value: Any) -> None:
    is_refused(msgspec.json.encode(value), None, COLUMNS)


@given(st.integers(0), st.integers(0, 255), st.booleans())
def test_no_changed_byte_gives_another_error(at: int, byte: int, binary: bool) -> None:
    body, length = binary_body() if binary else (body_of(*COLUMN.values(), parameters={"quorum": 2}), None)
    changed = bytearray(body)
    changed[at % len(body)] = byte
    is_refused(bytes(changed), length, MODEL if binary else COLUMNS)

import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.errors import InvalidAnswer
from models.oip.responses import decode_answer, decode_response, encode_response, output_array
from models.types import DTYPES, PREDICTIONS, PROBABILITIES, Array, InferResponse, Signature, TensorSpec, classifier
from tests.models.oip.strategies import arrays_of

LABELS = ("setosa", "versicolor", "virginica", "Ünïcode \U0001f33c")
IRIS = classifier((TensorSpec("x", "FP32", (-1, 4)),), LABELS)
ABOUT = {"model_name": "iris", "model_version": "1", "id": "the-id"}
OUTPUT = {"name": "probabilities", "shape": [1, 2], "datatype": "FP64", "data": [0.25, 0.75]}
NAMES = [PROBABILITIES]


def answer(*outputs: Mapping[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({**ABOUT, "outputs": outputs, **more})


def refusal(body: bytes, header_length: int | None = None) -> str:
    with pytest.raises(InvalidAnswer) as caught:
        decode_response(body, header_length, "iris", NAMES)
    assert len(str(caught.value)) < 256
    assert str(caught.value).isprintable()
    return str(caught.value)


def probabilities(rows: int) -> st.SearchStrategy[Array]:
    elements = st.floats(0, 1) | st.just(0.1 + 0.2)
    return npst.arrays(np.float64, (rows, len(LABELS)), elements=elements, fill=st.nothing())


@given(st.integers(1, 5).flatmap(probabilities), st.booleans(), st.booleans())
def test_an_answer_comes_back_bit_by_bit(scores: Array, binary_predictions: bool, binary_scores: bool) -> None:
    wanted = {PREDICTIONS: binary_predictions, PROBABILITIES: binary_scores}
    body, length = encode_response(InferResponse({PROBABILITIES: scores}), IRIS, wanted, ABOUT)
    assert (length is None) is not any(wanted.values())
    outputs = decode_response(body, length, "iris", list(wanted))
    assert outputs[PROBABILITIES].dtype == np.float64
    assert outputs[PROBABILITIES].tobytes() == scores.tobytes()
    assert outputs[PREDICTIONS].tolist() == [LABELS[row.index(max(row))] for row in scores.tolist()]


@given(st.data(), st.sampled_from(sorted(DTYPES)), st.booleans())
def test_outputs_of_every_datatype_come_back(data: st.DataObject, datatype: str, binary: bool) -> None:
    array = data.draw(arrays_of(datatype, npst.array_shapes(max_dims=3, max_side=4)))
    signature = Signature("transform", (), (TensorSpec("out", datatype, (-1, *array.shape[1:])),))
    body, length = encode_response(InferResponse({"out": array}), signature, {"out": binary}, ABOUT)
    back = decode_response(body, length, "iris", ["out"])["out"]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tolist() == array.tolist()


def test_json_of_an_answer_is_what_the_protocol_says() -> None:
    response = InferResponse({PROBABILITIES: np.array([[0.1, 0.2, 0.7, 0.0]])})
    body, length = encode_response(response, IRIS, {PREDICTIONS: False, PROBABILITIES: False}, ABOUT)
    assert length is None
    assert msgspec.json.decode(body) == {
        **ABOUT,
        "outputs": [
            {"name": "predictions", "shape": [1], "datatype": "BYTES", "data": ["virginica"]},
            {"name": "probabilities", "shape": [1, 4], "datatype": "FP64", "data": [0.1, 0.2, 0.7, 0.0]},
        ],
    }


def test_binary_outputs_follow_the_header_in_its_order() -> None:
    response = InferResponse({PROBABILITIES: np.array([[0.1, 0.2, 0.7, 0.0]])})
    body, length = encode_response(response, IRIS, {PROBABILITIES: True, PREDICTIONS: True}, ABOUT)
    assert length is not None
    header = msgspec.json.decode(body[:length])
    assert [output["parameters"] for output in header["outputs"]] == [
        {"binary_data_size": 32},
        {"binary_data_size": 13},
    ]
    assert body[length:] == struct.pack("<4d", 0.1, 0.2, 0.7, 0.0) + b"\x09\0\0\0virginica"


@pytest.mark.parametrize("binary", [True, False])
def test_outputs_that_the_signature_does_not_have_come_last_in_the_same_form(binary: bool) -> None:
    response = InferResponse({PROBABILITIES: np.array([[0.1, 0.2, 0.7, 0.0]])})
    more = [(TensorSpec("members.a", "FP64", (-1, 2)), np.array([[0.1, 0.9]]))]
    wanted = {PREDICTIONS: False, PROBABILITIES: binary}
    body, length = encode_response(response, IRIS, wanted, ABOUT, more)
    outputs = decode_response(body, length, "iris", [*wanted, "members.a"])
    assert list(outputs) == [PREDICTIONS, PROBABILITIES, "members.a"]
    assert outputs["members.a"].tolist() == [[0.1, 0.9]]
    last = msgspec.json.decode(body[:length])["outputs"][-1]
    assert ("data" in last) is not binary


@pytest.mark.parametrize(
    ("scores", "label"),
    [([0.4, 0.4, 0.2, 0.0], "setosa"), ([0.2, 0.4, 0.0, 0.4], "versicolor"), ([0, 0, 0, 1], LABELS[3])],
)
def test_a_prediction_is_the_first_of_the_highest_probabilities(scores: list[float], label: str) -> None:
    response = InferResponse({PROBABILITIES: np.array([scores])})
    assert output_array(PREDICTIONS, response, IRIS).tolist() == [label]


def test_numbers_of_any_datatype_are_taken_as_they_are() -> None:
    body = answer({**OUTPUT, "datatype": "FP32"})
    assert decode_response(body, None, "iris", NAMES)[PROBABILITIES].dtype == np.float32
    body = answer({**OUTPUT, "datatype": "INT64", "data": [[0, 1]]})
    assert decode_response(body, None, "iris", NAMES)[PROBABILITIES].tolist() == [[0, 1]]


def test_what_else_an_answer_says_is_left_alone() -> None:
    body = answer({**OUTPUT, "parameters": {"a": 1}, "more": [1]}, parameters={"status": "complete"}, more=[1])
    assert decode_response(body, None, "iris", NAMES)[PROBABILITIES].tolist() == [[0.25, 0.75]]


@pytest.mark.parametrize(
    ("parameters", "degraded"),
    [({"degraded": True}, True), ({"degraded": False}, False), ({"degraded": "yes"}, False), ({}, False), ([1], False)],
)
def test_an_answer_is_degraded_if_it_says_so(parameters: object, degraded: bool) -> None:
    assert decode_answer(answer(OUTPUT, parameters=parameters), None, "iris", NAMES).degraded is degraded
    assert decode_answer(answer(OUTPUT), None, "iris", NAMES).degraded is False


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON: "),
        (b"<html><body>502 Bad Gateway</body></html>", "not JSON: invalid character (byte 0) ($)"),
        (b"null", "Expected `object`, got `null` ($)"),
        (b"[]", "Expected `object`, got `array` ($)"),
        (b"{}", "Object missing required field `model_name` ($)"),
        (b'{"error":"no"}', "Object missing required field `model_name` ($)"),
        (b'{"model_name":"iris","outputs":{}}', "Expected `array`, got `object` ($.outputs)"),
        (b'{"model_name":"iris","outputs":[[1]]}', "Expected `object`, got `array` ($.outputs[0])"),
        (b'{"model_name":["iris"],"outputs":[]}', "Expected `str`, got `array` ($.model_name)"),
        (b'{"model_name":"iris","x":' + b"[" * 400_000, "nested too deeply ($)"),
        (b'{"model_name":"iris\xff","outputs":[]}', "not JSON: a string is not UTF-8 ($)"),
        (answer(OUTPUT, model_name="wine"), "the answer is from model 'wine', asked was 'iris'"),
        (answer(OUTPUT, model_name="\x1b[31m" * 10**5), "the answer is from model '\\x1b[31m\\x1b"),
        (answer(), "the answer lacks output probabilities"),
        (answer({**OUTPUT, "name": "proba"}), "output 'proba' was not asked for"),
        (answer({**OUTPUT, "name": "\n" * 10**5}), "output '\\n\\n"),
        (answer(OUTPUT, {**OUTPUT, "name": "more"}), "output 'more' was not asked for"),
        (answer(OUTPUT, OUTPUT), "output 'probabilities' comes twice"),
        (answer({**OUTPUT, "datatype": "FP16"}), "output 'probabilities' has the unknown datatype 'FP16'"),
        (answer({**OUTPUT, "datatype": "\0" * 10**5}), "output 'probabilities' has the unknown datatype '\\x00"),
        (answer({**OUTPUT, "datatype": "INT64"}), "Expected `int`, got `float` ($.outputs[0].data[0])"),
        (answer({**OUTPUT, "datatype": "BYTES"}), "Expected `str`, got `float` ($.outputs[0].data[0])"),
        (answer({**OUTPUT, "shape": [2, 2]}), "expected 4 values, got 2 ($.outputs[0].data)"),
        (answer({**OUTPUT, "shape": [0]}), "expected shape [-1], got [0] ($.outputs[0].shape)"),
        (answer({**OUTPUT, "shape": [-1, 2]}), "Expected `int` >= 0 ($.outputs[0].shape[0])"),
        (answer({**OUTPUT, "shape": [2**62, 30]}), "Expected `int` <= 2147483647 ($.outputs[0].shape[0])"),
        (answer({**OUTPUT, "shape": [1] * 100}), "Expected `array` of length <= 8 ($.outputs[0].shape)"),
        (answer({**OUTPUT, "shape": [2**31 - 1] * 8}), "expected "),
        (answer({**OUTPUT, "data": [0.5, None]}), "Expected `float`, got `null` ($.outputs[0].data[1])"),
        (answer({**OUTPUT, "data": [0.5, "NaN"]}), "Expected `float`, got `str` ($.outputs[0].data[1])"),
        (answer(OUTPUT).replace(b"0.75", b"NaN"), "not JSON: invalid character"),
        (answer(OUTPUT).replace(b"0.75", b"1e999"), "Number out of range ($.outputs[0].data[1])"),
        (answer(OUTPUT).replace(b"0.75", b"9" * 5000), "Number out of range ($.outputs[0].data[1])"),
        (
            answer({name: OUTPUT[name] for name in ("name", "shape", "datatype")}),
            "the tensor has no data ($.outputs[0].data)",
        ),
        (answer({**OUTPUT, "parameters": {"binary_data_size": 16}}), "a tensor has either data or binary_data_size"),
    ],
)
def test_nonsense_is_no_answer(body: bytes, message: str) -> None:
    assert refusal(body).startswith(message)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_no_answer(value: float) -> None:
    response = InferResponse({PROBABILITIES: np.array([[0.5, value, 0.0, 0.0]])})
    body, length = encode_response(response, IRIS, {PROBABILITIES: True}, ABOUT)
    assert refusal(body, length) == f"expected a finite number, got {value} ($.outputs[0].data[1])"
    body, length = encode_response(response, IRIS, {PROBABILITIES: False}, ABOUT)
    assert refusal(body, length) == "Expected `float`, got `null` ($.outputs[0].data[1])"


def test_an_answer_cut_anywhere_is_none() -> None:
    response = InferResponse({PROBABILITIES: np.array([[0.1, 0.2, 0.7, 0.0]])})
    body, length = encode_response(response, IRIS, {PROBABILITIES: True}, ABOUT)
    assert length is not None
    for end in range(len(body)):
        refusal(body[:end], length)
        refusal(body[:end], min(length, end))
    refusal(body + b"\0", length)
    refusal(body, len(body) + 1)
    refusal(body, -1)


@given(st.binary(max_size=64), st.none() | st.integers(-1, 70))
def test_random_bytes_are_no_answer(body: bytes, length: int | None) -> None:
    with pytest.raises(InvalidAnswer):
        decode_response(body, length, "iris", NAMES)


@given(st.integers(0), st.integers(0, 255), st.booleans())
def test_no_changed_byte_gives_another_error(at: int, byte: int, binary: bool) -> None:
    response = InferResponse({PROBABILITIES: np.array([[0.1, 0.2, 0.7, 0.0]])})
    wanted = {PREDICTIONS: binary, PROBABILITIES: binary}
    body, length = encode_response(response, IRIS, wanted, ABOUT)
    changed = bytearray(body)
    changed[at % len(body)] = byte
    try:
        outputs = decode_response(bytes(changed), length, "iris", list(wanted))
    except InvalidAnswer:
        return
    assert np.isfinite(outputs[PROBABILITIES]).all()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
)
def test_no_json_gives_another_error(value: Any, field: str) -> None:
    try:
        outputs = decode_response(answer({**OUTPUT, field: value}), None, "iris", NAMES)
    except InvalidAnswer:
        return
    assert outputs.keys() == {PROBABILITIES}


@pytest.mark.parametrize(
    ("parameters", "degraded"),
    [
        ({"degraded": True, "status": "partial"}, True),
        ({"degraded": False}, False),
        ({"degraded": "yes"}, False),
        ({}, False),
        (None, False),
        ([1], False),
    ],
)
def test_an_answer_says_whether_it_is_degraded(parameters: object, degraded: bool) -> None:
    body = answer(OUTPUT, parameters=parameters)
    assert decode_answer(body, None, "iris", NAMES).degraded is degraded

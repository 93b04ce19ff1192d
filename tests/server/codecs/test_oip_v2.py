from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.errors import InvalidRequest
from models.oip.requests import encode_request
from models.oip.responses import decode_response
from models.types import (
    PREDICTIONS,
    PROBABILITIES,
    InferRequest,
    InferResponse,
    MemberReport,
    Parameters,
    PartReport,
    Report,
    TensorSpec,
    classifier,
    regressor,
)
from server.codecs import oip_v2
from server.codecs.oip_v2 import Call
from server.codecs.parameters import THEIRS

ROW = TensorSpec("row", "FP32", (-1, 2), ("a", "b"))
YES_NO = classifier((ROW,), ("no", "yes"))
INPUT = {"name": "row", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
EVERY = {PREDICTIONS: False, PROBABILITIES: False}


def decoded(parameters: Mapping[str, Any] | None = None, **more: Any) -> Call:
    body = msgspec.json.encode({"inputs": [INPUT], "parameters": parameters or {}, **more})
    return oip_v2.decode(body, None, YES_NO, "ours", "the-trace")


def test_a_call_is_its_rows_and_what_it_asks() -> None:
    call = decoded({"timeout_ms": 50, "quorum": 2, "members": "a,b", "early": True}, id="theirs")
    assert call.request.inputs["row"].tolist() == [[1, 2]]
    assert call.request.parameters == Parameters(2, True, ("a", "b"))
    assert (call.request.id, call.request.trace) == ("ours", "the-trace")
    assert call.timeout == 0.05
    assert call.wanted == EVERY
    assert call.id == "theirs"


def test_a_call_without_an_id_is_answered_with_ours() -> None:
    assert decoded().id == "ours"


def test_a_binary_call_is_the_same() -> None:
    inputs = {"row": np.array([[1, 2]], np.float32)}
    body, length = encode_request(InferRequest(inputs, "theirs"), [ROW], [PROBABILITIES])
    call = oip_v2.decode(body, length, YES_NO, "ours", "")
    assert call.request.inputs["row"].tolist() == [[1, 2]]
    assert call.wanted == {PROBABILITIES: True}
    assert call.id == "theirs"


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [
        ({}, None),
        ({"timeout": 20_000}, 0.02),
        ({"timeout": 1.5e6}, 1.5),
        ({"timeout": None, "timeout_ms": 5}, 0.005),
        ({"timeout": 20_000, "timeout_ms": 50}, 0.02),
        ({"timeout": 20_000, "timeout_ms": 5}, 0.005),
    ],
)
def test_tritons_timeout_is_in_microseconds_and_the_smaller_counts(
    parameters: dict[str, Any], seconds: float | None
) -> None:
    timeout = decoded(parameters).timeout
    assert timeout == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("name", sorted(THEIRS - {"binary_data_output"}))
@pytest.mark.parametrize("value", [None, 5, "x", {"a": [1]}])
def test_what_their_clients_send_along_is_tolerated(name: str, value: object) -> None:
    assert decoded({name: value}).request.parameters == Parameters()


def test_all_outputs_can_be_asked_for_as_raw_bytes() -> None:
    assert decoded({"binary_data_output": True}).wanted == {PREDICTIONS: True, PROBABILITIES: True}


@pytest.mark.parametrize(
    ("parameters", "message", "where"),
    [
        ({"timeout": 0}, "a timeout must be positive, got 0.0", "$.parameters.timeout"),
        ({"timeout": -1}, "a timeout must be positive, got -1.0", "$.parameters.timeout"),
        ({"timeout": "soon"}, "Expected `float | null`, got `str`", "$.parameters.timeout"),
        ({"timeout": True}, "Expected `float | null`, got `bool`", "$.parameters.timeout"),
        ({"timeout": [1]}, "Expected `float | null`, got `array`", "$.parameters.timeout"),
        ({"timeout": 10**400}, "Number out of range", "$.parameters.timeout"),
        ({"timeout_ms": 0}, "a timeout must be positive, got 0.0", "$.parameters.timeout_ms"),
        ({"quorum": "2"}, "Expected `int | null`, got `str`", "$.parameters.quorum"),
        ({"qurum": 2}, "unknown parameter 'qurum'; did you mean 'quorum'?", "$.parameters"),
        ({"binary_data_output": "true"}, "expected true or false", "$.parameters.binary_data_output"),
        ({"members": "a,a"}, "a subset names each member once, and at least one", "$.parameters.members"),
    ],
)
def test_bad_parameters_are_refused_with_their_place(parameters: dict[str, Any], message: str, where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decoded(parameters)
    assert (str(caught.value), caught.value.where) == (message, where)


@given(st.binary(max_size=64), st.none() | st.integers(-1, 70))
def test_random_bytes_are_refused(body: bytes, length: int | None) -> None:
    with pytest.raises(InvalidRequest):
        oip_v2.decode(body, length, YES_NO, "ours", "")


@given(st.integers(0), st.integers(0, 255))
def test_no_changed_byte_gives_another_error(at: int, byte: int) -> None:
    parameters = {"timeout": 5000, "timeout_ms": 5, "quorum": 1, "members": "a,b"}
    body = bytearray(msgspec.json.encode({"inputs": [INPUT], "id": "x", "parameters": parameters}))
    body[at % len(body)] = byte
    try:
        call = oip_v2.decode(bytes(body), None, YES_NO, "ours", "")
    except InvalidRequest as error:
        refused = error
    else:
        assert np.isfinite(call.request.inputs["row"]).all()
        return
    assert (str(refused) + refused.where).isprintable()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["timeout", "timeout_ms", "quorum", "members", "binary_data_output", *THEIRS])


@given(st.dictionaries(NAMES | st.text(max_size=3), JSON, max_size=4))
def test_no_parameters_give_another_error(parameters: dict[str, Any]) -> None:
    try:
        decoded(parameters)
    except InvalidRequest as error:
        refused = error
    else:
        return
    assert (str(refused) + refused.where).isprintable()


@pytest.mark.parametrize("binary", [True, False])
def test_an_answer_of_one_model_is_its_outputs(binary: bool) -> None:
    call = Call(InferRequest({}), None, dict.fromkeys(EVERY, binary), "theirs")
    response = InferResponse({PROBABILITIES: np.array([[0.1 + 0.2, 0.7]])})
    body, length = oip_v2.encode(response, YES_NO, call, model="m", version="3", elapsed=0.001)
    header = msgspec.json.decode(body[:length])
    assert [header["model_name"], header["model_version"], header["id"]] == ["m", "3", "theirs"]
    assert "parameters" not in header
    outputs = decode_response(body, length, "m", list(EVERY))
    assert outputs[PREDICTIONS].tolist() == ["yes"]
    assert outputs[PROBABILITIES].tolist() == [[0.1 + 0.2, 0.7]]


def test_an_answer_of_an_ensemble_says_flatly_how_it_came_about() -> None:
    members = {"a": MemberReport("ok", 1.0, "1", elapsed=0.0015), "b": MemberReport("skipped", 1.0, "1", "away")}
    report = Report("partial", True, 2, 1, 1, members)
    call = Call(InferRequest({}), None, EVERY, "theirs")
    response = InferResponse({PROBABILITIES: np.array([[0.5, 0.5]])}, report=report)
    body, length = oip_v2.encode(response, YES_NO, call, model="m", version="3", elapsed=0.002)
    assert length is None
    assert msgspec.json.decode(body)["parameters"] == {
        "status": "partial",
        "degraded": True,
        "asked": 2,
        "answered": 1,
        "quorum": 1,
        "elapsed_ms": 2.0,
        "members.a.fate": "ok",
        "members.a.elapsed_ms": 1.5,
        "members.b.fate": "skipped",
        "members.b.reason": "away",
    }


@pytest.mark.parametrize("explain", [True, False])
def test_explained_answers_say_what_each_member_said(explain: bool) -> None:
    said = {"a": MemberReport("ok", 1.0, "1", scores=np.array([[0.25, 0.75]])), "b": MemberReport("late", 1.0, "1")}
    call = Call(InferRequest({}, parameters=Parameters(explain=explain)), None, {PREDICTIONS: False}, "theirs")
    response = InferResponse({PROBABILITIES: np.array([[0.5, 0.5]])}, report=Report(members=said, labels=("no", "yes")))
    body, _ = oip_v2.encode(response, YES_NO, call, model="m", version="3", elapsed=0.0)
    outputs = {output["name"]: output["data"] for output in msgspec.json.decode(body)["outputs"]}
    theirs = {"members.a.predictions": ["yes"], "members.a.probabilities": [0.25, 0.75]} if explain else {}
    assert outputs == {PREDICTIONS: ["no"], **theirs}


def test_explained_numbers_are_one_output_of_each_member() -> None:
    said = {"a": MemberReport("ok", 1.0, "1", scores=np.array([[1.5], [2.5]]))}
    call = Call(InferRequest({}, parameters=Parameters(explain=True)), None, {PREDICTIONS: True}, "theirs")
    response = InferResponse({PREDICTIONS: np.array([2.0, 3.0])}, report=Report(members=said))
    body, length = oip_v2.encode(response, regressor((ROW,)), call, model="m", version="3", elapsed=0.0)
    outputs = decode_response(body, length, "m", [PREDICTIONS, "members.a.predictions"])
    assert outputs["members.a.predictions"].tolist() == [1.5, 2.5]


def test_a_cascade_says_its_stages_and_nothing_of_who_was_asked_about_some_rows_only() -> None:
    said = {
        "a": MemberReport("ok", 1.0, "1", scores=np.array([[0.25, 0.75], [1.0, 0.0]]), stage=1),
        "b": MemberReport("ok", 1.0, "1", scores=np.array([[0.25, 0.75], [np.nan, np.nan]]), stage=2),
    }
    call = Call(InferRequest({}, parameters=Parameters(explain=True)), None, {PREDICTIONS: False}, "theirs")
    report = Report(members=said, stages=np.array([2, 1]), labels=YES_NO.labels)
    response = InferResponse({PROBABILITIES: np.array([[0.5, 0.5], [1.0, 0.0]])}, report=report)
    body, _ = oip_v2.encode(response, YES_NO, call, model="m", version="3", elapsed=0.0)
    read = msgspec.json.decode(body)
    assert (read["parameters"]["stage"], read["parameters"]["stages"]) == (2, "2,1")
    assert {output["name"] for output in read["outputs"]} == {
        PREDICTIONS,
        "members.a.predictions",
        "members.a.probabilities",
    }


def test_parts_are_flattened_with_their_own() -> None:
    inner = Report(parts=(PartReport("side", "3", rows=(0, 2), facts={"when": "otherwise", "n": [1]}),))
    report = Report(parts=(PartReport("prepare", "1", elapsed=0.001), PartReport("route", "2", report=inner)))
    flat = oip_v2.flattened(report, 0.5)
    assert flat["parts.prepare.fate"] == "ok"
    assert flat["parts.prepare.elapsed_ms"] == 1.0
    assert flat["parts.route.parts.side.rows"] == "0,2"
    assert flat["parts.route.parts.side.when"] == "otherwise"
    assert all(isinstance(value, str | int | float | bool) for value in flat.values())


def test_stages_of_a_part_stand_with_it_unless_they_are_those_of_the_whole() -> None:
    staged = Report(members={"a": MemberReport("ok", 1.0, "1", stage=1)}, stages=np.array([2, 1]))
    part = PartReport("staged", "1", report=staged)
    assert oip_v2.flattened(Report(parts=(part,)), 0.5)["parts.staged.stages"] == "2,1"
    whole = oip_v2.flattened(replace(staged, parts=(part,)), 0.5)
    assert (whole["stages"], "parts.staged.stages" in whole) == ("2,1", False)

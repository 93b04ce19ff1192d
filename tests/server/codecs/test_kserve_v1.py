from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.errors import InvalidRequest
from models.types import (
    PREDICTIONS,
    PROBABILITIES,
    Array,
    InferResponse,
    MemberReport,
    Parameters,
    PartReport,
    Report,
    Signature,
    TensorSpec,
    classifier,
    regressor,
    transformer,
)
from server.codecs import kserve_v1

INPUTS = (TensorSpec("features", "FP32", (-1, 2), ("a", "b")),)
YES_NO = classifier(INPUTS, ("no", "yes"))
NUMBER = regressor(INPUTS)


def refusal(body: bytes) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        kserve_v1.decode(body, YES_NO, "the-id", "")
    assert len(str(caught.value)) < 200
    assert (str(caught.value) + caught.value.where).isprintable()
    return str(caught.value), caught.value.where


def encoded(response: InferResponse, signature: Signature = YES_NO, *, explain: bool = False) -> dict[str, Any]:
    body = kserve_v1.encode(response, signature, "the-model", 0.0012345, explain=explain)
    return msgspec.json.decode(body, type=dict[str, Any])


def test_a_request_is_its_rows_and_what_it_asks() -> None:
    body = b' { "parameters" : { "timeout_ms" : 50 , "quorum" : 1 } , "instances" : [ [1, 2], {"b": 4, "a": 3} ] } '
    request, timeout = kserve_v1.decode(body, YES_NO, "the-id", "the-trace")
    assert request.inputs["features"].tolist() == [[1, 2], [3, 4]]
    assert request.rows == 2
    assert (request.id, request.trace, request.parameters) == ("the-id", "the-trace", Parameters(quorum=1))
    assert timeout == 0.05


def test_a_request_need_not_ask_for_anything() -> None:
    request, timeout = kserve_v1.decode(b'{"instances":[[1,2]]}', YES_NO, "the-id", "")
    assert request.parameters == Parameters()
    assert timeout is None


@given(st.lists(st.tuples(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30)), min_size=1, max_size=4))
def test_rows_alone_are_read_as_they_are_beside_other_things(rows: list[tuple[float, float]]) -> None:
    alone, among = {"instances": rows}, {"instances": rows, "parameters": {}}
    one, other = [kserve_v1.decode(msgspec.json.encode(body), YES_NO, "the-id", "t")[0] for body in (alone, among)]
    (array,), (expected,) = one.inputs.values(), other.inputs.values()
    np.testing.assert_array_equal(array, expected, strict=True)
    assert (one.id, one.trace, one.parameters, one.extra) == (other.id, other.trace, other.parameters, other.extra)


MANY = b"[%b]" % b",".join(b"[%d, %d.5]" % (at, at) for at in range(20_000))


@pytest.mark.parametrize(
    "around",
    [
        b'{"instances":%b}',
        b' { "instances" : %b } \n',
        b'{"parameters":{},"instances":%b}',
        b'{"instances" : %b , "parameters": {"timeout_ms": 50}}',
    ],
)
def test_very_many_rows_are_read_whatever_stands_around_them(around: bytes) -> None:
    request, _ = kserve_v1.decode(around % MANY, YES_NO, "the-id", "")
    assert request.inputs["features"].shape == (20_000, 2)
    assert request.inputs["features"][-1].tolist() == [19_999, 19_999.5]


@pytest.mark.parametrize(
    ("around", "message", "where"),
    [
        (b'{"instances":%b', "not JSON: Input data was truncated", "$"),
        (b'{"instances":%b}}', "not JSON: trailing characters (byte ", "$"),
        (b'{"instances":%b,}', "not JSON: ", "$"),
        (b'{"instances":%b,"instances":[[1,2]]}', "the key 'instances' comes twice", "$"),
        (b'{"instance":%b}', "Object contains unknown field `instance`", "$"),
        (b'{"instances":[%b]}', "Expected `array` of length 2, got 20000", "$.instances[0]"),
        (b'{"instances":[]%b}', "not JSON: ", "$"),
    ],
)
def test_what_is_wrong_around_very_many_rows_has_its_place(around: bytes, message: str, where: str) -> None:
    said, place = refusal(around % MANY)
    assert said.startswith(message)
    assert place == where


ROW = b'{"instances":[[1,2]],"parameters":'


@pytest.mark.parametrize(
    ("body", "message", "where"),
    [
        (b"", "not JSON: Input data was truncated", "$"),
        (b"instances=1", "not JSON: invalid character (byte 0)", "$"),
        (b'\xef\xbb\xbf{"instances":[[1,2]]}', "not JSON: invalid character (byte 0)", "$"),
        (b'{"instances":[[1,NaN]]}', "not JSON: invalid character (byte 17)", "$"),
        (b'{"instances":[[1,-Infinity]]}', "not JSON: ", "$"),
        (b"[[1,2]]", "Expected `object`, got `array`", "$"),
        (b"{}", "Object missing required field `instances`", "$"),
        (b'{"instances":[[1,2]],"x":1}', "Object contains unknown field `x`", "$"),
        (b'{"instances":[[1,2]],"\\u001b' + b"x" * 10**6 + b'":1}', "Object contains unknown field `\\x1bxx", "$"),
        (b'{"instances":' + b"[" * 400_000, "nested too deeply", "$"),
        (b'{"instances":' + b"[" * 300 + b"]" * 300 + b"}", "Expected `array` of length 2, got 1", "$.instances[0]"),
        (b'{"instances":[[1,2]],"instances":[[3,4]]}', "the key 'instances' comes twice", "$"),
        (ROW + b'{"quorum":1,"quorum":2}}', "the key 'quorum' comes twice", "$.parameters"),
        (b'{"instances":[{"a":1,"b":2,"a":3}]}', "the key 'a' comes twice", "$.instances[0]"),
        (b'{"instances":[]}', "expected at least one row", "$.instances"),
        (b'{"instances":[[1,2],[3,null]]}', "Expected `float`, got `null`", "$.instances[1][1]"),
        (b'{"instances":[[1,2],[3,1e999]]}', "Number out of range", "$.instances[1][1]"),
        (b'{"instances":[[1,2],[3]]}', "Expected `array` of length 2, got 1", "$.instances[1]"),
        (b'{"instances":[[1,"\xff"]]}', "not JSON: a string is not UTF-8", "$.instances"),
        (b'{"instances":[[1,"\\ud800"]]}', "not JSON: ", "$"),
        (ROW + b"[]}", "Expected `object`, got `array`", "$.parameters"),
        (ROW + b"null}", "Expected `object`, got `null`", "$.parameters"),
        (ROW + b'{"quorum":"2"}}', "Expected `int | null`, got `str`", "$.parameters.quorum"),
        (ROW + b'{"quorun":2}}', "unknown parameter 'quorun'; did you mean 'quorum'?", "$.parameters"),
        (ROW + b'{"timeout_ms":"soon"}}', "Expected `float | null`, got `str`", "$.parameters.timeout_ms"),
        (ROW + b'{"timeout_ms":1e999}}', "Number out of range", "$.parameters"),
        (ROW + b'{"timeout_ms":' + b"9" * 5000 + b"}}", "Integer value out of range", "$.parameters"),
        (
            ROW + b'{"quorum":' + b"[" * 300 + b"]" * 300 + b"}}",
            "Expected `int | null`, got `array`",
            "$.parameters.quorum",
        ),
    ],
)
def test_a_bad_body_is_refused_with_its_place(body: bytes, message: str, where: str) -> None:
    refused, place = refusal(body)
    assert refused.startswith(message)
    assert place == where


def test_a_body_cut_anywhere_is_refused() -> None:
    body = ROW + b'{"timeout_ms":50}}'
    for end in range(len(body)):
        refusal(body[:end])


@given(st.binary(max_size=64))
def test_random_bytes_are_refused(body: bytes) -> None:
    refusal(body)


@given(st.integers(0), st.integers(0, 255))
def test_no_changed_byte_gives_another_error(at: int, byte: int) -> None:
    body = bytearray(b'{"instances":[[1,2.5e3],{"a":-1,"b":0}],"parameters":{"timeout_ms":50,"members":["x","y"]}}')
    body[at % len(body)] = byte
    try:
        request, _ = kserve_v1.decode(bytes(body), YES_NO, "the-id", "")
    except InvalidRequest as error:
        refused = error
    else:
        assert np.isfinite(request.inputs["features"]).all()
        return
    assert (str(refused) + refused.where).isprintable()


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "quorum"]), inner),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={"instances": JSON, "parameters": JSON}) | JSON)
def test_no_json_gives_another_error(value: Any) -> None:
    try:
        request, _ = kserve_v1.decode(msgspec.json.encode(value), YES_NO, "the-id", "")
    except InvalidRequest:
        return
    assert request.rows == len(value["instances"])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4))
def test_an_answer_has_every_probability_exactly_and_the_first_of_the_highest(
    scores: list[tuple[float, float]],
) -> None:
    answer = encoded(InferResponse({PROBABILITIES: np.array(scores)}))
    assert answer["labels"] == ["no", "yes"]
    assert answer["probabilities"] == [list(row) for row in scores]
    assert answer["predictions"] == ["yes" if yes > no else "no" for no, yes in scores]


def test_an_answer_of_one_model_has_no_members() -> None:
    answer = encoded(InferResponse({PREDICTIONS: np.array([0.1 + 0.2])}, "the-id"), NUMBER)
    assert answer == {
        "predictions": [0.1 + 0.2],
        "outcome": {
            "model": "the-model",
            "request_id": "the-id",
            "status": "complete",
            "degraded": False,
            "asked": 1,
            "answered": 1,
            "quorum": 1,
            "elapsed_ms": 1.234,
        },
    }


MEMBERS = {
    "forest": MemberReport("ok", 2.0, "3", elapsed=0.001, scores=np.array([[0.5, 0.5]])),
    "away": MemberReport("skipped", 1.0, "1", "away"),
}
PARTIAL = Report("partial", True, 2, 1, 1, MEMBERS, np.array([0.75]), np.array([0.5]), labels=("no", "yes"))


def test_an_answer_of_an_ensemble_says_how_it_came_about() -> None:
    answer = encoded(InferResponse({PROBABILITIES: np.array([[0.25, 0.75]])}, "the-id", PARTIAL))
    assert (answer["agreement"], answer["entropy"]) == ([0.75], [0.5])
    assert answer["outcome"]["status"] == "partial"
    assert answer["outcome"]["degraded"] is True
    assert (answer["outcome"]["asked"], answer["outcome"]["answered"], answer["outcome"]["quorum"]) == (2, 1, 1)
    assert answer["members"] == {
        "forest": {"fate": "ok", "elapsed_ms": 1.0, "weight": 2.0, "version": "3"},
        "away": {"fate": "skipped", "reason": "away", "elapsed_ms": None, "weight": 1.0, "version": "1"},
    }


def test_explained_answers_say_what_each_member_said() -> None:
    members = encoded(InferResponse({PROBABILITIES: np.array([[0.25, 0.75]])}, "", PARTIAL), explain=True)["members"]
    assert members["forest"]["predictions"] == ["no"]
    assert members["forest"]["probabilities"] == [[0.5, 0.5]]
    assert "predictions" not in members["away"]
    numbers = Report(members={"one": MemberReport("ok", 1.0, "1", elapsed=0.0, scores=np.array([[1.5], [2.5]]))})
    answer = encoded(InferResponse({PREDICTIONS: np.array([1.5, 2.5])}, "", numbers), NUMBER, explain=True)
    assert answer["members"]["one"]["predictions"] == [1.5, 2.5]


STAGED = Report(
    members={
        "cheap": MemberReport("ok", 1.0, "1", elapsed=0.001, scores=np.array([[0.5, 0.5], [1.0, 0.0]]), stage=1),
        "dear": MemberReport("ok", 1.0, "1", elapsed=0.001, scores=np.array([[0.0, 1.0], [np.nan, np.nan]]), stage=2),
    },
    stages=np.array([2, 1]),
    labels=YES_NO.labels,
)


def test_an_answer_of_a_cascade_says_which_stage_decided_each_row_and_nothing_of_rows_that_nobody_was_asked() -> None:
    answer = encoded(InferResponse({PROBABILITIES: np.array([[0.25, 0.75], [1, 0]])}, "", STAGED), explain=True)
    assert (answer["stages"], answer["outcome"]["stage"]) == ([2, 1], 2)
    dear = answer["members"]["dear"]
    assert (dear["stage"], dear["predictions"], dear["probabilities"]) == (2, ["yes", None], [[0.0, 1.0], None])
    numbers = Report(members={"dear": MemberReport("ok", 1.0, "1", scores=np.array([[np.nan], [2.5]]), stage=2)})
    answer = encoded(InferResponse({PREDICTIONS: np.array([1.5, 2.5])}, "", numbers), NUMBER, explain=True)
    assert answer["members"]["dear"]["predictions"] == [None, 2.5]


def test_parts_stand_one_after_the_other_with_their_own() -> None:
    inner = Report(parts=(PartReport("side", "3", rows=(0, 2), facts={"when": "otherwise"}),))
    parts = (
        PartReport("prepare", "1", began=0.0, elapsed=0.001),
        PartReport("route", "2", report=inner),
        PartReport("late", "2", "late", "timeout", 0.0, 0.5),
    )
    response = InferResponse({PROBABILITIES: np.array([[0.25, 0.75]])}, "", Report(parts=parts))
    assert encoded(response)["parts"] == [
        {"name": "prepare", "fate": "ok", "elapsed_ms": 1.0, "version": "1"},
        {
            "name": "route", "fate": "ok", "elapsed_ms": None, "version": "2",
            "parts": [
                {"name": "side", "fate": "ok", "elapsed_ms": None, "version": "3", "rows": [0, 2], "when": "otherwise"}
            ],
        },
        {"name": "late", "fate": "late", "reason": "timeout", "elapsed_ms": 500.0, "version": "2"},
    ]  # fmt: skip


def test_members_stand_where_they_always_do_or_else_with_the_part_that_asked_them() -> None:
    part = PartReport("vote", "1", report=PARTIAL)
    answer = encoded(InferResponse({PROBABILITIES: np.array([[0.25, 0.75]])}, "", replace(PARTIAL, parts=(part,))))
    assert set(answer["members"]) == {"forest", "away"}
    assert "members" not in answer["parts"][0]
    answer = encoded(InferResponse({PROBABILITIES: np.array([[0.25, 0.75]])}, "", Report(parts=(part,))))
    assert set(answer["parts"][0]["members"]) == {"forest", "away"}
    assert "members" not in answer


def test_the_stages_of_a_part_stand_with_its_members() -> None:
    part, said = PartReport("staged", "1", report=STAGED), {PROBABILITIES: np.array([[0.25, 0.75], [1, 0]])}
    assert encoded(InferResponse(said, "", Report(parts=(part,))))["parts"][0]["stages"] == [2, 1]
    answer = encoded(InferResponse(said, "", replace(STAGED, parts=(part,))))
    assert (answer["stages"], "stages" in answer["parts"][0]) == ([2, 1], False)


@pytest.mark.parametrize(
    ("outputs", "predictions"),
    [
        ({"x": np.array([[1.5, 2.5]], np.float32)}, [[1.5, 2.5]]),
        ({"text": np.array(["because"], object)}, ["because"]),
        ({"x": np.array([[1.5], [np.nan]]), "n": np.array([1, 2])}, [{"x": [1.5], "n": 1}, {"x": [None], "n": 2}]),
    ],
)
def test_a_transform_answers_row_by_row(outputs: dict[str, Array], predictions: list[object]) -> None:
    assert encoded(InferResponse(outputs), transformer((), ()))["predictions"] == predictions

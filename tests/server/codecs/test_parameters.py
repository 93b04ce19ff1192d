import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidRequest
from models.types import NO_PARAMETERS, Parameters
from server.codecs.parameters import Asked, header_timeout, read_parameters, seconds_of, smaller


def test_nothing_asked_is_the_ensembles_own_setting() -> None:
    assert read_parameters({}) == Asked(NO_PARAMETERS, None)
    nothing = {"timeout_ms": None, "quorum": None, "early": None, "members": None}
    assert read_parameters(nothing) == Asked(NO_PARAMETERS, None)


def test_everything_can_be_asked() -> None:
    given = {"timeout_ms": 50, "quorum": 2, "early": False, "members": ["a", "b"], "explain": True}
    assert read_parameters(given) == Asked(Parameters(2, False, ("a", "b"), True), 0.05)


@pytest.mark.parametrize("members", [["a", "b"], "a,b", " a , b "])
def test_members_are_a_list_or_written_with_commas(members: object) -> None:
    assert read_parameters({"members": members}).parameters.members == ("a", "b")


TWICE = "a subset names each member once, and at least one"


@pytest.mark.parametrize(
    ("given", "message", "where"),
    [
        ({"quroum": 2}, "unknown parameter 'quroum'; did you mean 'quorum'?", "$.parameters"),
        ({"timeout": 2}, "unknown parameter 'timeout'; did you mean 'timeout_ms'?", "$.parameters"),
        (
            {"zzz": 2},
            "unknown parameter 'zzz'; there are: timeout_ms, quorum, early, members, explain",
            "$.parameters",
        ),
        ({"\n" * 10**6: 2}, "unknown parameter '\\n\\n", "$.parameters"),
        ({"timeout_ms": 0}, "a timeout must be positive, got 0.0", "$.parameters.timeout_ms"),
        ({"timeout_ms": -1}, "a timeout must be positive, got -1.0", "$.parameters.timeout_ms"),
        ({"timeout_ms": math.nan}, "a timeout must be positive, got nan", "$.parameters.timeout_ms"),
        ({"timeout_ms": math.inf}, "a timeout must be positive, got inf", "$.parameters.timeout_ms"),
        ({"timeout_ms": "soon"}, "Expected `float | null`, got `str`", "$.parameters.timeout_ms"),
        ({"timeout_ms": "50"}, "Expected `float | null`, got `str`", "$.parameters.timeout_ms"),
        ({"timeout_ms": True}, "Expected `float | null`, got `bool`", "$.parameters.timeout_ms"),
        ({"timeout_ms": [50]}, "Expected `float | null`, got `array`", "$.parameters.timeout_ms"),
        ({"timeout_ms": 10**400}, "Number out of range", "$.parameters.timeout_ms"),
        ({"quorum": "2"}, "Expected `int | null`, got `str`", "$.parameters.quorum"),
        ({"quorum": 2.5}, "Expected `int | null`, got `float`", "$.parameters.quorum"),
        ({"quorum": True}, "Expected `int | null`, got `bool`", "$.parameters.quorum"),
        ({"quorum": 0}, "Expected `int` >= 1", "$.parameters.quorum"),
        ({"quorum": -1}, "Expected `int` >= 1", "$.parameters.quorum"),
        ({"quorum": 10**4000}, "Expected `int` <= 1000", "$.parameters.quorum"),
        ({"early": "yes"}, "Expected `bool | null`, got `str`", "$.parameters.early"),
        ({"early": 1}, "Expected `bool | null`, got `int`", "$.parameters.early"),
        ({"explain": None}, "Expected `bool`, got `null`", "$.parameters.explain"),
        ({"members": []}, TWICE, "$.parameters.members"),
        ({"members": ""}, TWICE, "$.parameters.members"),
        ({"members": "a,,b"}, TWICE, "$.parameters.members"),
        ({"members": [""]}, TWICE, "$.parameters.members"),
        ({"members": ["a", "b", "a"]}, TWICE, "$.parameters.members"),
        ({"members": "a, a"}, TWICE, "$.parameters.members"),
        ({"members": ["a", 1]}, "Expected `str`, got `int`", "$.parameters.members[1]"),
        ({"members": 5}, "Expected `str | array | null`, got `int`", "$.parameters.members"),
        ({"members": {"a": 1}}, "Expected `str | array | null`, got `object`", "$.parameters.members"),
    ],
)
def test_bad_parameters_are_refused_with_their_place(given: dict[str, Any], message: str, where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_parameters(given)
    assert str(caught.value).startswith(message)
    assert caught.value.where == where
    assert len(str(caught.value)) < 200


def test_a_header_names_milliseconds() -> None:
    assert header_timeout(None) is None
    assert header_timeout("50") == 0.05
    assert header_timeout(" 1.5 ") == 0.0015


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soon", "expected a number of milliseconds, got 'soon'"),
        ("", "expected a number of milliseconds, got ''"),
        ("\x1b[31m", "expected a number of milliseconds, got '\\x1b[31m'"),
        ("0", "a timeout must be positive, got 0.0"),
        ("-5", "a timeout must be positive, got -5.0"),
        ("nan", "a timeout must be positive, got nan"),
        ("inf", "a timeout must be positive, got inf"),
        ("9" * 5000, "a timeout must be positive, got inf"),
    ],
)
def test_a_bad_header_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        header_timeout(text)
    assert (str(caught.value), caught.value.where) == (message, "header X-Request-Timeout-Ms")


def test_the_smaller_of_two_timeouts_counts() -> None:
    assert smaller(None, None) is None
    assert smaller(1.0, None) == smaller(None, 1.0) == smaller(1.0, 2.0) == smaller(2.0, 1.0) == 1.0
    assert seconds_of(None, 1e-3, "$") is None


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["timeout_ms", "quorum", "early", "members", "explain"]) | st.text(), JSON))
def test_no_value_gives_another_error(given: dict[str, Any]) -> None:
    try:
        read_parameters(given)
    except InvalidRequest as error:
        refused = error
    else:
        return
    assert str(refused).isprintable()
    assert refused.where.startswith("$.parameters")


def test_what_is_not_ours_is_for_whoever_declared_it() -> None:
    asked = read_parameters({"region": "eu", "user": 7, "early": True}, ("region", "user", "other"))
    assert asked == Asked(Parameters(early=True), None, {"region": "eu", "user": 7})
    assert read_parameters({"vip": True}, {"vip"}).extra == {"vip": True}


@pytest.mark.parametrize("value", [None, ["eu"], {"a": 1}])
def test_what_is_not_ours_is_one_plain_value(value: object) -> None:
    with pytest.raises(InvalidRequest, match="expected a string, a number, true or false") as caught:
        read_parameters({"region": value}, ("region",))
    assert caught.value.where == "$.parameters.region"


def test_what_nobody_declared_is_unknown() -> None:
    with pytest.raises(InvalidRequest, match="unknown parameter 'regoin'; did you mean 'region'"):
        read_parameters({"regoin": "eu"}, ("region",))

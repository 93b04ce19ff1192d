"""What a switch decides by."""

from typing import Any

import pytest

from models.errors import InvalidRequest
from server.composites.conditions import condition, document_of


@pytest.mark.parametrize(
    ("text", "row", "parameters", "holds"),
    [
        ("inputs.age < `18`", {"age": 17.0}, {}, True),
        ("inputs.age < `18`", {"age": 18.0}, {}, False),
        ('inputs."mean radius" > `2` && parameters.region == \'eu\'', {"mean radius": 3}, {"region": "eu"}, True),
        ("parameters.region == 'eu'", {}, {}, False),
        ("contains(['eu', 'uk'], parameters.region)", {}, {"region": "uk"}, True),
        ("inputs.age < `18`", {"age": float("nan")}, {}, False),
        ("inputs.age == `null` || inputs.age < `18`", {"age": float("nan")}, {}, True),
        ("inputs.flag", {"flag": True}, {}, True),
        ("inputs.flag", {"flag": False}, {}, False),
        ("!(inputs.flag)", {"flag": False}, {}, True),
        ("parameters.name", {}, {"name": ""}, False),
        ("inputs.count", {"count": 0}, {}, True),  # in JMESPath 0 is not false
    ],
)  # fmt: skip
def test_a_condition_holds_or_not(text: str, row: dict[str, Any], parameters: dict[str, Any], holds: bool) -> None:
    assert condition(text).holds(document_of(row, parameters)) is holds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("inputs.age < `18`", [("inputs", "age")]),
        ("inputs.a || inputs.b && parameters.q > `1`", [("inputs", "a"), ("inputs", "b"), ("parameters", "q")]),
        ("sum([inputs.a, inputs.a]) > `3`", [("inputs", "a")]),
        ("parameters.tags[?x == `1`].y | [0]", [("parameters", "tags")]),
        ("sort_by(parameters.x, &y)", [("parameters", "x")]),
        ("inputs.a.b[0]", [("inputs", "a")]),
        ("`true`", []),
    ],
)
def test_what_it_looks_at_is_known_beforehand(text: str, names: list[tuple[str, str]]) -> None:
    assert list(condition(text).names) == names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inputs.age <", "not JMESPath: .*Incomplete expression"),
        ("inputs.age < 18", r"a number is written in backticks: `18`$"),
        ("", "cannot be empty"),
        ("age < `18`", "no name 'age'; there are: inputs, parameters"),
        ("inputs", "inputs needs a name, as in inputs.age"),
        ("input.age", "no name 'input', did you mean 'inputs'"),
        ("inputs.*", "inputs needs a name"),
        ("inputs.age == null", "null is written in backticks: `null`"),
        ("@.inputs.a", "no name '@'"),
        ("!inputs.flag", r"write !\(inputs.flag\)"),
        ("inputs.a && contain(inputs.a, 'x')", "no function 'contain', did you mean 'contains'"),
    ],
)
def test_what_cannot_have_been_meant_is_told(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        condition(text)
    assert "\n" not in str(caught.value)


def test_a_condition_that_cannot_be_decided_is_the_callers_fault() -> None:
    with pytest.raises(InvalidRequest, match=r"the condition .* cannot be decided: .*invalid type"):
        condition("starts_with(parameters.region, 'e')").holds(document_of({}, {"region": 7}))

import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidRequest
from models.oip.wire import check_envelope, check_keys, listed, parse, quoted, unknown

HOSTILE = "a\r\nb\x00\x1b[31m\u202e\u2028" + "x" * 5000


class Body(msgspec.Struct, forbid_unknown_fields=True):
    numbers: list[float] = []
    raw: msgspec.Raw = msgspec.Raw()
    more: Any = None


BODY = msgspec.json.Decoder(Body)


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        (b"", "not JSON: Input data was truncated", "$"),
        (b"<html>", "not JSON: invalid character (byte 0)", "$"),
        (b'\xef\xbb\xbf{"numbers":[]}', "not JSON: invalid character (byte 0)", "$"),
        (b'{"numbers":[NaN]}', "not JSON: invalid character (byte 12)", "$"),
        (b'{"numbers":[-Infinity]}', "not JSON: ", "$"),
        (b'{"numbers":[1,]}', "not JSON: trailing comma", "$"),
        (b'{"numbers":[]} {}', "not JSON: trailing characters", "$"),
        (b'{"more":"\xff"}', "not JSON: a string is not UTF-8", "$"),
        (b'{"more":"\\ud800x"}', "not JSON: ", "$"),
        (b'{"more":"\\udc00"}', "not JSON: invalid utf-16 surrogate pair", "$"),
        (b'{"more":' + b"[" * 400_000, "nested too deeply", "$"),
        (b'{"raw":' + b'{"a":' * 400_000, "nested too deeply", "$"),
        (b'{"numbers":[1,1e999]}', "Number out of range", "$.numbers[1]"),
        (b'{"numbers":[' + b"9" * 5000 + b"]}", "Number out of range", "$.numbers[0]"),
        (b'{"more":{"a":[1e999]}}', "Number out of range", "$.more[0]"),
        (b'{"numbers":[true]}', "Expected `float`, got `bool`", "$.numbers[0]"),
        (b"[]", "Expected `object`, got `array`", "$"),
        (b'{"nmbers":[]}', "Object contains unknown field `nmbers`", "$"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(text: bytes, message: str, where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(BODY, text)
    assert str(caught.value).startswith(message)
    assert caught.value.where == where


def test_the_place_of_a_part_is_in_the_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(BODY, b'{"numbers":[0,null]}', "$.part[3]")
    assert caught.value.where == "$.part[3].numbers[1]"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"numbers":[1],"numbers":[2]}', "$"),
        ('{"numbers":[1],"num\\u0062ers":[2]}', "$"),
        ('{"raw":[1,2,3],"raw":[4]}', "$"),
        ('{"raw":[1,2,3],"more":{"a":1,"a":2}}', "$.more"),
        ('{"more":{"b":[0,{"a":{},"a":{}}]},"raw":[1]}', "$.more.b[1]"),
        ('{"more":{"not a name":{"a":1,"a":2}}}', "$.more"),
        ('{"more":' + "[" * 200 + '{"a":1,"a":2}' + "]" * 200 + "}", ("$.more" + "[0]" * 200)[:128]),
    ],
)
def test_a_key_that_comes_twice_is_refused_with_its_object(text: str, where: str) -> None:
    body = text.encode()
    for view in (body, memoryview(body)):
        with pytest.raises(InvalidRequest, match="comes twice") as caught:
            check_envelope(view, [parse(BODY, view).raw])
        assert caught.value.where == where


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"raw":[1]}',
        '{"raw":["a:1,a:2"],"numbers":[1],"more":{"raw":[{"raw":0}]}}',
        '{"more":[{"a":1},{"a":1}]}',
        ' { "more" : "\\"raw\\":1" , "raw" : [ "\\"a\\":1,\\"a\\":2" ] } ',
    ],
)
def test_keys_that_differ_or_stand_in_other_objects_are_fine(text: str) -> None:
    body = text.encode()
    check_envelope(body, [parse(BODY, body).raw])


def test_data_is_passed_over() -> None:
    body = b'{"numbers":[1],"raw":[' + b"[1]," * 1_000_000 + b"[1]]}"
    check_envelope(body, [parse(BODY, body).raw])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"more":[' + b"[]," * 400_000 + b"[]]}", "more than 1048576 bytes beside the data"),
        (b'{"raw":{"a":1},"more":"\xff"}', "not JSON: a string is not UTF-8"),
        (b'{"raw":' + b"9" * 5000 + b',"more":1}', "not JSON: a number is too long"),
    ],
)
def test_an_envelope_is_small_and_json_throughout(text: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        check_envelope(text, [])


def test_depth_is_no_crash() -> None:
    for depth in range(100, 5000, 100):
        try:
            check_keys(b'{"a":' * depth + b"1" + b"}" * depth)
        except InvalidRequest as error:
            assert str(error) == "nested too deeply"  # noqa: PT017 - from some depth on, which is the interpreter's


@given(st.dictionaries(st.text(max_size=3), st.dictionaries(st.text(max_size=3), st.text(max_size=3)), max_size=3))
def test_no_json_without_repetition_is_refused(value: dict[str, Any]) -> None:
    check_keys(msgspec.json.encode(value))


@pytest.mark.parametrize("text", [HOSTILE, "x - at `$.a" + "b" * 200, "ünïcode", "it's", "x" * 64])
def test_a_message_is_short_and_has_no_raw_control_character(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(BODY, msgspec.json.encode({text: 1}))
    for message in (quoted(text), unknown("name", text, ["a", "b"]), str(caught.value)):
        assert len(message) <= 128
        assert message.count("x") <= 64
        assert not [char for char in message if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert len(caught.value.where) <= 128


def test_a_message_tells_what_was_meant_or_what_there_is() -> None:
    assert (
        unknown("feature", "mean radus", ["mean radius", "area"])
        == "unknown feature 'mean radus'; did you mean 'mean radius'?"
    )
    assert unknown("input", "zzz", ["a", "b"]) == "unknown input 'zzz'; there are: a, b"
    assert listed([str(number) for number in range(30)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 22 more"

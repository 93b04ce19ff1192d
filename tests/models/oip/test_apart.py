"""Long lists that are taken apart say the same as in their body, and are refused where that is."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidRequest
from models.oip.apart import Apart, read_apart
from models.oip.pieces import SHORT
from models.oip.wire import address_of, check_envelope, parse

FLAT = [number + 0.25 for number in range(SHORT // 6)]
NESTED = [[number, -number] for number in range(SHORT // 8)]
DEEP = [NESTED, NESTED]
STYLES = {"plain": (",", ":"), "spaced": (", ", ": "), "wide": (" ,\n ", " : ")}


class Body(msgspec.Struct):
    """Lists at `data`, here and in items."""

    data: msgspec.Raw = msgspec.Raw()
    more: list["Body"] = []
    name: str = ""


_BODY = msgspec.json.Decoder(Body)
_ANY = msgspec.json.Decoder()


def said(body: bytes, key: str) -> tuple[Any, list[int]]:
    """What is read of `body`, or the words with which it is refused; the lengths of what was read as an envelope."""
    lengths: list[int] = []

    def read(apart: Apart) -> Any:
        lengths.append(len(apart.envelope))
        wire = parse(_BODY, apart.envelope)
        parts = [wire, *wire.more]
        written = [part.data for part in parts if len(part.data)]
        lists = [parse(_ANY, apart.list_of(raw), "$.data") for raw in written]
        check_envelope(apart.envelope, sorted(written, key=address_of))
        return [part.name for part in parts], lists

    try:
        return read_apart(body, key, read), lengths
    except InvalidRequest as error:
        return (str(error), error.where), lengths


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("items", [FLAT, NESTED, DEEP], ids=["flat", "nested", "deep"])
@pytest.mark.parametrize("last", [False, True])
def test_a_long_list_is_found_wherever_it_stands(items: Any, style: str, last: bool) -> None:
    each: list[dict[str, Any]] = [
        {"data": items, "name": "x"},
        {"name": "y", "data": [1]},
        {"name": "z", "data": items},
    ]
    body: dict[str, Any] = {"more": each, "data": items} if last else {"data": items, "more": each}
    text = json.dumps(body, separators=STYLES[style]).encode()
    found, lengths = said(text, "data")
    assert found == (["", "x", "y", "z"], [items, items, [1], items])
    assert len(lengths) == 1
    assert lengths[0] < 200


@pytest.mark.parametrize(
    "text", [b'{"data":[1,2]}', b'{"data":["%b"]}' % (b"a" * SHORT), b'{"data":7%b}' % (b" " * SHORT)]
)
def test_all_else_is_read_as_it_is(text: bytes) -> None:
    assert said(text, "data") == (([""], [json.loads(text)["data"]]), [len(text)])


MANY = json.dumps(NESTED).encode()


@pytest.mark.parametrize(
    "text",
    [
        b'{"other":{"data":%b}}' % MANY.replace(b"7]", b"7]]", 1),
        b'{"data":%be5}' % MANY,
        b'{"data":%b.5}' % MANY,
        b'{"data":%b5}' % MANY,
        b'{"data":%b,"data":[]}' % MANY,
        b'{"data":%b,"name":5}' % MANY,
        b'{"data":%b' % MANY,
        b'{"data":%b]}' % MANY,
        b'{"data":[%b}' % MANY,
        b'{"data":%b,"more":}' % MANY,
        b'["data":%b]' % MANY,
        b'{"data":[%b]}' % (b"[1]," * SHORT),
    ],
)
def test_what_is_wrong_is_told_as_if_all_were_read(text: bytes) -> None:
    (words, where), _ = said(text, "data")
    assert isinstance(words, str)
    assert ((words, where), [len(text)]) == said(text, "nothing")


def test_a_list_that_nobody_takes_is_looked_at() -> None:
    for text in (b'{"other":{"data":%b}}' % MANY, b'{"other\\"data":%b}' % MANY):
        assert said(text, "data")[0] == said(text, "nothing")[0] == ([""], [])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_one_wrong_byte_is_seen_wherever_it_is(data: st.DataObject) -> None:
    text = bytearray(b'{"name":"a","data":%b,"more":[{"data":[1,2]}]}' % MANY)
    ends = st.integers(0, 40) | st.integers(len(text) - 60, len(text) - 1)
    at = data.draw(ends | st.integers(0, len(text) - 1))
    text[at] = data.draw(st.sampled_from(b'[],.x"{} 7e:\\'))
    assert said(bytes(text), "data")[0] == said(bytes(text), "nothing")[0]

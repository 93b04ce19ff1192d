import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.identity import request_id, traceparent, ulid

ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("given_id", ["a", "01J-x_y.Z", "x" * 64])
def test_a_harmless_id_is_kept(given_id: str) -> None:
    assert request_id(given_id) == given_id


@pytest.mark.parametrize(
    "given_id",
    [
        None,
        "",
        "x" * 65,
        "a b",
        "a\n",
        "a\r\nSet-Cookie: x",
        "a\x00",
        "\x1b[31m",
        "ü",
        "a\u202eb",
        "a/b",
        "a\ud800",
        "\u0661",
    ],
)
def test_any_other_id_is_replaced(given_id: str | None) -> None:
    assert ULID.fullmatch(request_id(given_id))


@given(st.text())
def test_no_id_can_break_a_header_or_a_line(given_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", request_id(given_id))


def test_ids_sort_by_time_and_differ() -> None:
    early = ulid()
    while ulid()[:10] == early[:10]:
        pass
    assert early < ulid()
    assert len({ulid() for _ in range(1000)}) == 1000


def test_an_id_begins_with_the_time() -> None:
    number = 0
    for character in ulid()[:10]:
        number = number * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(character)
    assert abs(number / 1000 - time.time()) < 5


@pytest.mark.parametrize("trace", [TRACE, TRACE[:-2] + "00", "01" + TRACE[2:]])
def test_a_traceparent_is_kept(trace: str) -> None:
    assert traceparent(trace) == trace


@pytest.mark.parametrize(
    "trace",
    [
        None,
        "",
        TRACE.upper(),
        TRACE + "\n",
        TRACE + "-more",
        TRACE[:-1],
        "ff" + TRACE[2:],
        TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32),
        TRACE.replace("00f067aa0ba902b7", "0" * 16),
        TRACE.replace("4b", "\u0664\u0662"),
    ],
)
def test_what_is_no_traceparent_is_dropped(trace: str | None) -> None:
    assert traceparent(trace) == ""

import logging
import math
import sys
import unicodedata
from typing import Any

import msgspec
import pytest

from models.errors import InvalidRequest
from server.lines import Json, Readable

HOSTILE = 'a\r\nb\x00\x1b[31m\x7f\x85\u2028\u2029\u202e\u2066\u200f\ufeff\ud800 "quoted" \\ ü'


def record(message: object, *args: object, fields: dict[Any, Any] | None = None, **more: object) -> logging.LogRecord:
    said = {"name": "access", "levelno": logging.INFO, "levelname": "INFO", "msg": message, "args": args}
    return logging.makeLogRecord({**said, "created": 1_767_225_600.5, "fields": fields or {}, **more})


def failed(error: Exception) -> logging.LogRecord:
    try:
        raise error  # noqa: TRY301 - for its traceback
    except Exception:
        return record("it broke", exc_info=sys.exc_info())


def as_json(of: logging.LogRecord) -> dict[str, Any]:
    line = Json("worker forest")(of)
    return msgspec.json.decode(line, type=dict[str, Any])


def test_a_json_line_has_time_level_process_logger_message_and_fields() -> None:
    assert as_json(record("%s %d", "GET", 200, fields={"elapsed_ms": 1.5})) == {
        "time": "2026-01-01T00:00:00.500Z",
        "level": "info",
        "process": "worker forest",
        "logger": "access",
        "message": "GET 200",
        "fields": {"elapsed_ms": 1.5},
    }


def test_a_readable_line_has_the_same() -> None:
    line = Readable("front")(record("%s %d", "GET", 200, fields={"elapsed_ms": 1.5, "model": "a b", "id": "01J"}))
    assert line == '2026-01-01T00:00:00.500Z info    front access: GET 200 elapsed_ms=1.5 model="a b" id=01J'


@pytest.mark.parametrize("line_of", [Json("front"), Readable("front")])
def test_a_line_stays_a_line_and_hides_nothing(line_of: Json | Readable) -> None:
    for hostile in (record(HOSTILE), record("x", fields={"said": HOSTILE, HOSTILE: 1}), failed(ValueError(HOSTILE))):
        line = line_of(hostile)
        assert len(line.splitlines()) == 1
        assert not [char for char in line if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        assert "ü" in line or "\\u00fc" in line


def test_json_gives_back_what_was_said() -> None:
    said = HOSTILE.replace("\ud800", "")
    assert as_json(record(said, fields={"x": said}))["message"] == said
    assert as_json(record(said, fields={"x": said}))["fields"] == {"x": said}


def test_what_json_has_no_word_for_is_still_logged() -> None:
    circle: dict[str, object] = {}
    circle["itself"] = circle
    assert as_json(record("x", fields={"nan": math.nan, "set": {1}, "type": int}))["fields"] == {
        "nan": None,
        "set": [1],
        "type": "<class 'int'>",
    }
    assert as_json(record("x", fields={(1, 2): 3}))["fields"] == {"(1, 2)": 3}
    assert as_json(record("x", fields=circle))["fields"] == "{'itself': {...}}"
    assert "{...}" in Readable("front")(record("x", fields={"circle": circle}))


def test_whoever_logs_wrongly_is_told_so_and_not_stopped() -> None:
    message = as_json(record("%d rows", "many"))["message"]
    assert message.startswith("'%d rows' with ('many',) cannot be logged: ")


def test_a_bug_has_its_traceback_in_one_string() -> None:
    document = as_json(failed(ValueError("bad\nvalue")))
    assert document["error"] == "ValueError: bad\nvalue"
    assert document["traceback"].startswith("Traceback (most recent call last):\n")
    assert document["traceback"].endswith("ValueError: bad\nvalue\n")


def test_an_expected_error_has_none() -> None:
    document = as_json(failed(InvalidRequest("seven features expected")))
    assert document["error"] == "models.errors.InvalidRequest: seven features expected"
    assert "traceback" not in document


def test_a_readable_error_says_where_it_came_from() -> None:
    line = Readable("front")(failed(ValueError("bad\nvalue")))
    assert f"it broke (ValueError: bad\\nvalue at {__file__}:" in line


def test_an_exception_logged_where_there_is_none_is_no_error() -> None:
    assert "error" not in as_json(record("x", exc_info=(None, None, None)))


def test_what_is_long_is_cut() -> None:
    assert len(Json("front")(record("x" * 100_000))) < 1200
    assert len(Json("front")(failed(ValueError("x" * 100_000)))) < 4096

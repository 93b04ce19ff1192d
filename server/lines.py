"""A record of the log as one line: JSON for machines, text for a terminal.

Whatever a caller sent, a line stays a line and shows what it holds: line breaks, control characters and the marks that
turn the direction of writing are escaped in both.
"""

import contextlib
import json
import logging
import re
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from models.errors import ChorusError


class Format(Protocol):
    """How what is logged becomes a line."""

    def __call__(self, record: logging.LogRecord, /) -> str: ...

    def said(self, logger: str, message: str, fields: dict[str, Any]) -> "Said":
        """What is said as information, now; `fields` are whoever's says it no more."""

    def text(self, waiting: "Sequence[Said]") -> str:
        """All of them, each with the end of its line."""


LONGEST = 1000  # characters; writes to a pipe are whole up to 4,096 bytes
LONGEST_TRACEBACK = 2000

# C0, delete, C1; direction marks, overrides and isolates; line and paragraph separators; surrogates
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_PLAIN = re.compile(r"[^\s\"=]+")
_ENCODER = msgspec.json.Encoder(enc_hook=repr)
_NO_JSON = (TypeError, ValueError, RecursionError)  # surrogates, keys that JSON does not have, circles


class Line(msgspec.Struct):
    """What most lines are."""

    time: str
    level: str
    process: str
    logger: str
    message: str
    fields: dict[str, Any]


Said = str | Line
"""A line, or what is made into one together with others."""


class Json:
    """`{"time": ..., "level": ..., "process": ..., "logger": ..., "message": ..., "fields": {...}}`"""

    def __init__(self, process: str) -> None:
        self.process = process

    def __call__(self, record: logging.LogRecord) -> str:
        document = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "process": self.process,
            "logger": record.name,
            "message": _message(record),
        }
        if fields := getattr(record, "fields", None):
            document["fields"] = fields
        if error := _error(record):
            document["error"] = _summary(error)
            if not isinstance(error, ChorusError):  # a bug: where it is
                document["traceback"] = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
        return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", _encoded(document))

    def said(self, logger: str, message: str, fields: dict[str, Any]) -> Line:
        return Line(_STAMP(time.time()), "info", self.process, logger, _cut(message), fields)

    def text(self, waiting: Sequence[Said]) -> str:
        if all(type(one) is Line for one in waiting):
            with contextlib.suppress(*_NO_JSON):
                text = _ENCODER.encode_lines(waiting).decode()
                if text.isascii() and "\x7f" not in text:  # JSON has escaped all else
                    return text
        return "".join([f"{one if isinstance(one, str) else self._line(one)}\n" for one in waiting])

    def _line(self, said: Line) -> str:
        return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", _encoded(said))


class Readable:
    """`2026-07-01T12:00:00.000Z info front access: GET / 200 elapsed_ms=0.3`"""

    def __init__(self, process: str) -> None:
        self.process = process

    def __call__(self, record: logging.LogRecord) -> str:
        parts = [_time(record), f"{record.levelname.lower():7}", self.process, f"{record.name}:", _message(record)]
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            parts += [f"{name}={_shown(value)}" for name, value in fields.items()]
        if error := _error(record):
            parts.append(f"({_summary(error)}{_place(error)})")
        return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), " ".join(parts))

    def said(self, logger: str, message: str, fields: dict[str, Any]) -> str:
        return self(logging.makeLogRecord({"name": logger, "msg": message, "levelname": "INFO", "fields": fields}))

    def text(self, waiting: Sequence[Said]) -> str:
        return "".join([f"{one}\n" for one in waiting])


class Stamp:
    """Moments as `2026-07-01T12:00:00.000Z`; what all moments of a second share is made once."""

    def __init__(self) -> None:
        self._second = (0, "")

    def __call__(self, moment: float) -> str:
        whole = int(moment)
        second, said = self._second
        if second != whole:
            said = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = (whole, said)
        return f"{said}.{int((moment - whole) * 1000):03d}Z"


_STAMP = Stamp()


def _time(record: logging.LogRecord) -> str:
    return _STAMP(record.created)


def _message(record: logging.LogRecord) -> str:
    try:
        return _cut(record.getMessage())
    except Exception as error:  # whoever logs wrongly is told so where it shows, and is not stopped
        return _cut(f"{record.msg!r} with {record.args!r} cannot be logged: {error}")


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _summary(error: BaseException) -> str:
    return _cut("".join(traceback.format_exception_only(error)).strip())


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _encoded(document: dict[str, Any] | Line) -> str:
    try:
        return _ENCODER.encode(document).decode()
    except _NO_JSON:
        document = msgspec.structs.asdict(document) if isinstance(document, Line) else document
        return json.dumps({key: value if isinstance(value, str) else repr(value) for key, value in document.items()})


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    try:
        return _ENCODER.encode(value).decode()
    except _NO_JSON:
        return repr(value)

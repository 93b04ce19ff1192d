import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from server import logs
from server.lines import Json

log = logging.getLogger("tests.logs")


class Stream(io.StringIO):
    """Remembers each call of `write`; holds the writer back while `gate` is closed."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal
        self.writes: list[str] = []
        self.arrived = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.arrived.set()
        self.gate.wait(10)
        self.writes.append(text)
        return len(text)

    def documents(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in "".join(self.writes).splitlines()]


@contextmanager
def stalled(stream: Stream, waiting: int) -> Iterator[logs.Logging]:
    """A log whose thread is held in the middle of its first line."""
    with logs.setup(stream, "front", waiting=waiting) as logging_:
        stream.gate.clear()
        log.info("first")
        assert stream.arrived.wait(10)
        try:
            yield logging_
        finally:
            stream.gate.set()


def test_a_pipe_gets_json_and_a_terminal_text() -> None:
    pipe, terminal = Stream(), Stream(terminal=True)
    for stream in (pipe, terminal):
        with logs.setup(stream, "worker forest"):
            log.info("loaded", extra={"fields": {"rows": 3}})
    (document,) = pipe.documents()
    assert (document["process"], document["message"], document["fields"]) == ("worker forest", "loaded", {"rows": 3})
    assert terminal.writes[0].endswith(" info    worker forest tests.logs: loaded rows=3\n")


def test_lines_go_out_whole_and_together() -> None:
    stream = Stream()
    with logs.setup(stream, "front"):
        for number in range(500):
            log.info("%d\n%s", number, "\u00e9" * (number % 90))
    assert sum(text.count("\n") for text in stream.writes) == 500
    assert all(text.endswith("\n") for text in stream.writes)
    assert all(len(text.encode()) <= logs.WHOLE for text in stream.writes)
    assert len(stream.writes) < 100


def test_a_line_longer_than_a_whole_write_goes_out_alone() -> None:
    stream = Stream()
    with stalled(stream, waiting=9):
        for text in ("short", "x", "short"):
            logging.getLogger().info(text, extra={"fields": {"long": text * (5000 if text == "x" else 1)}})
    assert [len(text) > logs.WHOLE for text in stream.writes] == [False, False, True, False]


def test_what_is_said_looks_like_what_is_logged() -> None:
    for terminal in (False, True):
        stream = Stream(terminal=terminal)
        with logs.setup(stream, "front") as logging_:
            logging.getLogger("access").info("GET /\x7f \u202e", extra={"fields": {"elapsed_ms": 1.5}})
            logging_.log.say("access", "GET /\x7f \u202e", {"elapsed_ms": 1.5})
        one, other = "".join(stream.writes).splitlines()
        cut = len('{"time":"2026-07-01T12:00:00.000Z",') if not terminal else len("2026-07-01T12:00:00.000Z")
        assert one[cut:] == other[cut:]


def test_close_writes_what_waits() -> None:
    stream = Stream()
    with logs.setup(stream, "front"):
        for number in range(500):
            log.info(number)
    assert [document["message"] for document in stream.documents()] == [str(number) for number in range(500)]


def test_what_is_closed_logs_no_more_and_leaves_everything_as_it_was() -> None:
    root, stream = logging.getLogger(), Stream()
    before = (root.level, list(root.handlers))
    logging_ = logs.setup(stream, "front")
    logging_.close()
    logging_.close()
    log.error("too late")
    assert stream.writes == []
    assert (root.level, list(root.handlers)) == before


def test_what_is_under_the_level_is_not_logged() -> None:
    stream = Stream()
    with logs.setup(stream, "front", level=logging.WARNING):
        log.info("x")
    assert stream.writes == []


def test_a_stalled_reader_holds_nobody_back_and_what_did_not_fit_is_counted() -> None:
    stream = Stream()
    with stalled(stream, waiting=2):
        for number in range(10):
            log.info(number)  # on the way back at once, though nothing can be written
        assert stream.writes == []
    documents = stream.documents()
    assert [document["message"] for document in documents if "fields" not in document] == ["first", "0", "1"]
    assert [document["fields"] for document in documents if "fields" in document] == [{"dropped": 8}]


def test_close_does_not_wait_forever_for_who_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FLUSH_S", 0.01)
    stream = Stream()
    with stalled(stream, waiting=1) as logging_:
        log.info("waits")
        logging_.close()
        assert stream.writes == []


class Broken(Stream):
    """A pipe that has no reader for its first line."""

    def write(self, text: str) -> int:
        if self.arrived.is_set():
            return super().write(text)
        self.arrived.set()
        raise BrokenPipeError


def test_a_write_that_fails_loses_a_line_and_not_the_log() -> None:
    stream = Broken()
    with logs.setup(stream, "front"):
        log.info("lost")
        assert stream.arrived.wait(10)
        log.info("written")
    assert [document["message"] for document in stream.documents()] == ["written"]


def test_a_closed_stream_stops_nobody() -> None:
    stream = io.StringIO()
    with logs.setup(stream, "front"):
        stream.close()
        log.info("x")


def test_warnings_are_records_too() -> None:
    stream = Stream()
    with warnings.catch_warnings(), logs.setup(stream, "front"):
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    (document,) = stream.documents()
    assert document["logger"] == "py.warnings"
    assert "careful" in document["message"]


def test_lines_of_two_processes_do_not_mix() -> None:
    read, write = os.pipe()
    with open(read) as reader:  # noqa: PTH123 - a descriptor has no path
        with open(write, "w") as one, open(os.dup(write), "w") as other:  # noqa: PTH123
            both = [logs.Log(stream, Json("front")) for stream in (one, other)]
            for turn in range(100):  # 30 kB, which a pipe holds
                both[turn % 2].emit(logging.makeLogRecord({"msg": "x" * 200}))
            for each in both:
                each.close()
        lines = reader.read().splitlines()
    assert len(lines) == 100
    assert {len(msgspec.json.decode(line, type=dict[str, Any])["message"]) for line in lines} == {200}

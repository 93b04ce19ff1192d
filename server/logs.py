"""The log of one process: one line for each record, written by a thread of its own.

JSON, or readable text on a terminal. The standard library's QueueListener does the same, but its `stop` raises when the
queue is full, it waits without end for whoever does not read the pipe, and it is woken for each line, which on a busy
server costs more than the line.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from server.lines import Format, Json, Readable, Said

WAITING = 10_000  # lines; a few megabytes
FLUSH_S = 2.0  # who does not read for so long does not read
GATHER_S = 0.05  # lines that come within this time are written together
WHOLE = 4096  # bytes; a write to a pipe of at most so many is not mixed with another's


class Log(logging.Handler):
    """Hands lines to the thread that writes them to `stream`; one that does not fit is dropped and counted."""

    def __init__(self, stream: TextIO, line_of: Format, *, waiting: int = WAITING) -> None:
        super().__init__()
        self.dropped = 0
        self._stream = stream
        self._line_of = line_of
        self._waiting = waiting
        self._queue: queue.SimpleQueue[Said | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Formatted here and now: what the record refers to may change before it is written."""
        self._put(self._line_of(record))  # under the handler's lock

    def say(self, logger: str, message: str, fields: dict[str, Any]) -> None:
        """Log `message` as information from `logger`, without the ceremony of a record."""
        self._put(self._line_of.said(logger, message, fields))

    def _put(self, line: Said) -> None:
        if self._queue.qsize() < self._waiting:
            self._queue.put(line)
        else:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, for `FLUSH_S` at most."""
        if not self._closing.is_set():
            self._closing.set()
            self._queue.put(None)
            self._thread.join(FLUSH_S)
        super().close()

    def _write_all(self) -> None:
        line = self._queue.get()
        while line is not None:
            line = self._write_what_waits(line)
            if self.dropped and self._queue.qsize() <= self._waiting // 2:
                self._tell_dropped()
            if line is not None:
                self._closing.wait(GATHER_S)
                line = self._queue.get()
        self._tell_dropped()

    def _write_what_waits(self, line: Said | None) -> Said | None:
        """Write `line` and those that wait behind it. None if the end is among them."""
        together: list[Said] = []
        with contextlib.suppress(queue.Empty):
            while line is not None:
                together.append(line)
                line = self._queue.get_nowait()
        self._write(together)
        return line

    def _tell_dropped(self) -> None:
        with self.lock or contextlib.nullcontext():
            dropped, self.dropped = self.dropped, 0
        if dropped:
            fields = {"msg": "lines of the log were dropped", "levelno": logging.WARNING, "levelname": "WARNING"}
            record = logging.makeLogRecord({"name": __name__, **fields, "fields": {"dropped": dropped}})
            self._write([self._line_of(record)])

    def _write(self, lines: Sequence[Said]) -> None:
        """Whole lines, as many at once as stay whole: processes that share a pipe do not write into each other's."""
        for text in whole(self._line_of.text(lines).encode(errors="replace")):
            with contextlib.suppress(OSError, ValueError):  # a pipe without a reader, a closed file: nobody to tell
                self._stream.write(text.decode())
                self._stream.flush()


def whole(lines: bytes) -> Iterator[bytes]:
    """`lines` in parts of at most `WHOLE` bytes, as far as no line is longer."""
    start = 0
    while len(lines) - start > WHOLE:
        end = lines.rfind(b"\n", start, start + WHOLE) + 1 or lines.index(b"\n", start) + 1
        yield lines[start:end]
        start = end
    if start < len(lines):
        yield lines[start:]


class Logging:
    """Everything that this process logs goes to `log`, until it is closed."""

    def __init__(self, log: Log, level: int) -> None:
        self.log = log
        self._root = logging.getLogger()
        self._level = self._root.level
        self._root.addHandler(log)
        self._root.setLevel(level)
        logging.captureWarnings(True)

    def close(self) -> None:
        """Write what waits, and log no more."""
        logging.captureWarnings(False)
        self._root.removeHandler(self.log)
        self._root.setLevel(self._level)
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def setup(stream: TextIO, process: str, *, level: int = logging.INFO, waiting: int = WAITING) -> Logging:
    """Log to `stream` in the name of `process`, such as `front` or `worker forest`."""
    return Logging(Log(stream, Readable(process) if stream.isatty() else Json(process), waiting=waiting), level)

"""The log of one process: one line for each record, written by a thread of its own.

JSON, or readable text on a terminal. The standard library's QueueListener does the same, but its `stop` raises when the
queue is full, and waits without end for whoever does not read the pipe.
"""

import contextlib
import logging
import queue
import threading
from types import TracebackType
from typing import Self, TextIO

from server.lines import Format, Json, Readable

WAITING = 10_000  # lines; a few megabytes
FLUSH_S = 2.0  # who does not read for so long does not read


class Log(logging.Handler):
    """Hands lines to the thread that writes them to `stream`; one that does not fit is dropped and counted."""

    def __init__(self, stream: TextIO, line_of: Format, *, waiting: int = WAITING) -> None:
        super().__init__()
        self.dropped = 0
        self._stream = stream
        self._line_of = line_of
        self._queue: queue.Queue[str | None] = queue.Queue(waiting)
        self._closed = False
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Formatted here and now: what the record refers to may change before it is written."""
        line = self._line_of(record)
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.dropped += 1  # under the handler's lock

    def close(self) -> None:
        """Write what waits, for `FLUSH_S` at most."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=FLUSH_S)
                self._thread.join(FLUSH_S)
        super().close()

    def _write_all(self) -> None:
        while (line := self._queue.get()) is not None:
            self._write(line)
            if self.dropped and self._queue.qsize() <= self._queue.maxsize // 2:
                self._tell_dropped()
        self._tell_dropped()

    def _tell_dropped(self) -> None:
        with self.lock or contextlib.nullcontext():
            dropped, self.dropped = self.dropped, 0
        if dropped:
            fields = {"msg": "lines of the log were dropped", "levelno": logging.WARNING, "levelname": "WARNING"}
            record = logging.makeLogRecord({"name": __name__, **fields, "fields": {"dropped": dropped}})
            self._write(self._line_of(record))

    def _write(self, line: str) -> None:
        """One write for one line: processes that share a pipe do not write into each other's lines."""
        with contextlib.suppress(OSError, ValueError):  # a pipe without a reader, a closed file: nobody to tell
            self._stream.write(f"{line}\n")
            self._stream.flush()


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

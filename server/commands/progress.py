"""How far a command has come with a file, on standard error."""

import io
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class RowProgress:
    """A bar by the bytes read, the rows and their rate, for what takes longer than `SECONDS`."""

    SECONDS: ClassVar[float] = 0.5

    def __init__(self, name: str, *, shown: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
        self._task = self._bar.add_task(name, total=None)
        self._stream: io.BufferedReader | None = None
        self._began = time.monotonic()
        self._started = False

    def opened(self, path: Path) -> io.BufferedReader:
        """The file at `path`, whose end is where the bar ends."""
        self._stream = path.open("rb")
        self._bar.update(self._task, total=path.stat().st_size or None)
        return self._stream

    def advance(self, rows: int) -> None:
        """So many rows are done by now."""
        seconds = time.monotonic() - self._began
        if seconds < self.SECONDS:
            return
        if not self._started:
            self._bar.start()
            self._started = True
        at = None if self._stream is None or self._stream.closed else self._stream.tell()
        self._bar.update(self._task, completed=at, description=f"{rows} rows, {rows / seconds:.0f}/s")

    def __enter__(self) -> "RowProgress":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._started:
            self._bar.stop()
        if self._stream is not None:
            self._stream.close()

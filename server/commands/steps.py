"""Progress of work in known steps: a bar that moves on a terminal, a line for each thing done elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Steps:
    """What is under way, and how much is done."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def begin(self, what: str, step: str) -> None:
        """`step` of `what` begins."""
        self._progress.update(self._task, description=f"{what}: {step}")

    def done(self, what: str, did: str) -> None:
        """`did` is the verb of the past: `trained digits/knn`."""
        self._progress.advance(self._task)
        if not self._progress.console.is_terminal:
            self._progress.console.print(f"{did} {what}")


@contextmanager
def steps(console: Console, total: int) -> Iterator[Steps]:
    """Show the progress of `total` things on `console` for as long as they take."""
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, *times, console=console, transient=True, disable=not console.is_terminal)
    with bar as progress:
        yield Steps(progress, progress.add_task("", total=total))

"""Signs of life: each child writes a line now and then, and the supervisor replaces whoever has stopped to.

The event loop writes it: a model that is busy in its thread is alive, a loop that does not turn is not. A process that
was stopped (`kill -STOP`) is told from a slow one by its state, so that the slow one may be given more time.
"""

import asyncio
import logging
import os
import select
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
LINE = b'{"beat":true}\n'
LOOK_SECONDS = 0.25
STOPPED_SECONDS = 1.0  # so long a process may be stopped, by a debugger for instance


class Heart:
    """A child's side: writes to `pipe` as long as the event loop turns."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pipe: int) -> None:
        self._loop = loop
        self._pipe = pipe
        self._beat()

    def _beat(self) -> None:
        if select.select([], [self._pipe], [], 0)[1]:  # else nobody reads, and we would wait for it
            os.write(self._pipe, LINE)
        self._loop.call_later(BEAT_SECONDS, self._beat)


@dataclass(slots=True)
class Pulse:
    """The supervisor's side: when a child was last heard; no clock. `hung` seconds are too long, 0 never are."""

    hung: float
    heard: float = 0.0
    ready: bool = False

    def beat(self, now: float) -> None:
        """It has been heard, or nothing could be heard."""
        self.heard = now

    def trouble(self, now: float, is_stopped: Callable[[], bool]) -> str:
        """What is wrong with it, if anything; who is starting may be busy with that for long."""
        silent = now - self.heard
        if not self.hung or silent < min(STOPPED_SECONDS, self.hung):
            return ""
        if is_stopped():
            return "stopped by a signal"
        return f"hung: no sign of life for {silent:.1f} s" if self.ready and silent >= self.hung else ""


class Watched(Protocol):
    """A child, as far as it is watched."""

    name: str
    pid: int | None
    pulse: Pulse

    def replace(self, problem: str) -> None: ...


async def watch(children: Sequence[Watched]) -> None:
    """Have whoever is stopped or hung replaced, until cancelled; who is among `children` may change.

    Nobody is blamed for a time in which we did not run ourselves: then the whole machine was suspended, or too busy.
    """
    loop = asyncio.get_running_loop()
    looked = loop.time()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = loop.time()
        for child in tuple(children):
            if now - looked > 2 * LOOK_SECONDS:
                child.pulse.beat(now)
            elif child.pid is not None and (trouble := child.pulse.trouble(now, partial(is_stopped, child.pid))):
                log.error("%s is %s; replacing it", child.name, trouble)
                child.replace(trouble)
        looked = now


def is_stopped(pid: int | None) -> bool:
    """Whether a signal, or a debugger, has stopped the process; where the system does not say, no."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False

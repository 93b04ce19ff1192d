"""One process that is kept alive: spawned anew, never forked, and restarted with back-off."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from backends.served import Phase
from server.heartbeat import LINE, Pulse

log = logging.getLogger(__name__)

FIRST_WAIT = 0.1  # seconds before the first restart; doubles with each that follows
LONGEST_WAIT = 10.0
HEALTHY_SECONDS = 10.0  # who has run for so long starts with the first wait again


class ChildError(Exception):
    """A child says why it cannot start."""


class Process:
    """A child of the supervisor: `python -m *arguments`, with a lifeline on its standard input.

    `settled` is set when it was ready, or had failed, for the first time. `trouble` is why it ended last, until it is
    ready again. What it says beside its own state goes to `on_message`. Without a `pulse` for `hung` seconds it is
    replaced, by `server.heartbeat`.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        inherit: Sequence[int] = (),
        on_change: Callable[["Process"], None],
        on_message: Callable[[dict[str, Any]], None] = lambda message: None,
        fatal_ends: bool = False,
        hung: float = 0.0,
    ) -> None:
        self.name = name
        self.phase: Phase = "starting"
        self.pid: int | None = None
        self.restarts = 0
        self.problem = ""
        self.trouble = ""
        self.settled = asyncio.Event()
        self.pulse = Pulse(hung)
        self.arguments = tuple(arguments)  # of its next life
        self._inherit = tuple(inherit)
        self._on_change = on_change
        self._on_message = on_message
        self._fatal_ends = fatal_ends
        self._fatal = False
        self._stopping = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Start it, and again whenever it ends, until `stop`.

        Raises:
            ChildError: it said that it cannot start, on its first try, and `fatal_ends`.
        """
        wait = FIRST_WAIT
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            code = await self._live()
            self.trouble = self.problem or _said(code)
            self._change("away")
            if self._stopping.is_set():
                break
            if self._fatal_ends and self._fatal and not self.settled.is_set():
                raise ChildError(self.problem)
            self.settled.set()
            wait = FIRST_WAIT if loop.time() - began > HEALTHY_SECONDS else min(wait * 2, LONGEST_WAIT)
            log.error("%s ended (%s); starting it again in %.1f s", self.name, self.trouble, wait)
            await self._pause(wait)
            self.restarts += 1

    async def _live(self) -> int:
        """One life, from spawn to exit code."""
        self.problem, self._fatal = "", False
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=self._inherit,
            process_group=0,  # a Ctrl-C in the terminal is for the supervisor alone
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        if self._stopping.is_set():  # while it was being spawned, when there was nobody to tell
            self.kill()
        self.pid = process.pid
        self.pulse.beat(asyncio.get_running_loop().time())
        self._change("starting")
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        async for line in _lines(process.stdout):
            self._hear(line)
        return await process.wait()

    def _hear(self, line: bytes) -> None:
        if line.endswith(LINE):  # behind what a model may have printed without an end of the line
            self.pulse.beat(asyncio.get_running_loop().time())
            line = line.removesuffix(LINE)
        if not line:
            return
        try:
            message = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            log.info("%s printed: %s", self.name, line.decode(errors="replace").rstrip())
            return
        if "fatal" in message:
            self.problem, self._fatal = message["fatal"], True
        elif message.get("ready"):
            self.pulse.beat(asyncio.get_running_loop().time())
            self._change("ready")
            self.settled.set()
        else:
            self._on_message(message)

    def _change(self, phase: Phase) -> None:
        self.phase = phase
        if phase == "ready":
            self.trouble = ""
        self.pulse.ready = phase == "ready"
        if phase == "away":
            self.pid = None
        self._on_change(self)

    def tell(self, message: dict[str, Any]) -> None:
        """Send one line down its lifeline, if it lives."""
        if self._process is not None and self._process.returncode is None and self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")

    async def stop(self, seconds: float, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and kill it if it has not after `seconds`."""
        self._stopping.set()
        self._signal(sign)
        self._signal(signal.SIGCONT)  # a stopped process would not hear the other
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), seconds)
            except TimeoutError:
                log.warning("%s did not end within %g s; killing it", self.name, seconds)
                self.kill()

    def replace(self, problem: str) -> None:
        """Count on it no more, and end it at once; it is started again."""
        self.problem = problem
        self._change("away")
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """End it at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, sign: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(sign)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


async def _lines(pipe: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What comes, line by line; one that is longer than any message is dropped."""
    while True:
        try:
            line = await pipe.readline()
        except ValueError:
            continue
        if not line:
            return
        yield line


def _said(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

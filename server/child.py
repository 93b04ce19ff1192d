"""A process under the supervisor: its end of the two pipes, its signals, its event loop.

Standard input is the lifeline: lines from the supervisor, and at its end the supervisor is gone, so the process ends
at once, without tidying. Standard output carries lines to the supervisor: `{"ready": ...}`, `{"fatal": "why"}`, or that
the loop turns. Both are JSON. Logs go to standard error.
"""

import asyncio
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvloop

from models.errors import ChorusError
from server.config import ConfigError
from server.heartbeat import Heart

FATAL = 3  # the exit code after a `fatal` line
PR_SET_PDEATHSIG = 1
STDOUT = 1

OnMessage = Callable[[dict[str, Any]], None]


class Parent:
    """The supervisor, as its child sees it."""

    def __init__(self, on_message: OnMessage) -> None:
        loop = asyncio.get_running_loop()
        self.stop = asyncio.Event()
        self.hurried = False  # whether someone at a terminal waits for us to end
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self._signalled, sign)
        Heart(loop, STDOUT)
        threading.Thread(target=_listen, args=(loop, on_message), name="lifeline", daemon=True).start()

    def _signalled(self, sign: signal.Signals) -> None:
        self.hurried = sign == signal.SIGINT
        self.stop.set()

    def tell(self, **message: Any) -> None:
        """Send one line."""
        tell(**message)


def run(main: Callable[[Parent], Awaitable[None]], *, loop: str, on_message: OnMessage = lambda message: None) -> None:
    """Run `main` until it returns; an error that an operator can mend goes to the supervisor in one line."""
    _die_with_parent()

    async def whole() -> None:
        await main(Parent(on_message))

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.SelectorEventLoop
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(whole())
    except (ChorusError, ConfigError, OSError) as error:
        tell(fatal=str(error))
        sys.exit(FATAL)


def tell(**message: Any) -> None:
    """Send one line to the supervisor."""
    os.write(STDOUT, msgspec.json.encode(message) + b"\n")


def _listen(loop: asyncio.AbstractEventLoop, on_message: OnMessage) -> None:
    """Read the lifeline in a thread: it must be seen to end even while the loop or a model is busy."""
    rest = b""
    while chunk := os.read(0, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            loop.call_soon_threadsafe(on_message, msgspec.json.decode(line))
    os._exit(0)


def _die_with_parent() -> None:
    """Have Linux kill us with the supervisor: a stopped process cannot see its lifeline end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

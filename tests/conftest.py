"""Time under the tests' control: an event loop whose clock jumps to its next timer, so that nothing ever sleeps.

Tests marked `sockets` run in real time, once on asyncio's own loop and once on uvloop; tests marked `processes` in real
time on asyncio's own, as the supervisor does: the processes that they start choose for themselves.
"""

import asyncio
import gc
import selectors
import signal
from collections.abc import Callable

import hypothesis
import pytest
import uvloop

hypothesis.settings.register_profile(
    "chorus", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)  # a busy machine fails no example
hypothesis.settings.load_profile("chorus")

pytest_plugins = ["tests.fixtures"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; children would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


class JumpingSelector(selectors.DefaultSelector):
    """Where the loop would wait for `timeout` seconds, the clock moves by that much instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:  # no timer left: only a thread or a socket can go on
            return super().select(None)
        self.now += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that reads 0 at its start and whose clock only moves when everyone waits."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jumping.now


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("processes"):
        return {"asyncio": asyncio.SelectorEventLoop}
    if item.get_closest_marker("sockets"):
        return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
    return {"jumping": JumpingLoop}


def pytest_collection_finish() -> None:
    """Thousands of tests are there to stay: looking them over for garbage would stop every loop, again and again."""
    gc.collect()
    gc.freeze()

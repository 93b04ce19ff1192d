"""A callback at a moment, to some ten microseconds.

The timers of uvloop, and of asyncio on epoll, are in whole milliseconds: half a millisecond would be added to every
latency, which counts from the intended time. Where the system has `timerfd` that is a file for the event loop to watch;
elsewhere it is the loop's own timer.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

_MONOTONIC = 1


class Alarm(Protocol):
    """Rings once for each `set`, whose moments are those of `time.perf_counter`; a later `set` takes its place."""

    def set(self, moment: float) -> None: ...

    def close(self) -> None: ...


def alarm(ring: Callable[[], None]) -> Alarm:
    """One that calls `ring`, on the running event loop."""
    library = ctypes.CDLL(None, use_errno=True)
    return TimerFile(library, ring) if hasattr(library, "timerfd_create") else LoopTimer(ring)


class LoopTimer:
    """The event loop's own."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._loop, self._ring = asyncio.get_running_loop(), ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, moment: float) -> None:
        self.close()
        self._timer = self._loop.call_later(max(0.0, moment - perf_counter()), self._ring)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Times(ctypes.Structure):
    """`struct itimerspec`: the interval, which is zero, then the time left."""

    _fields_ = (("every", ctypes.c_long * 2), ("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class TimerFile:
    """Linux's. Source: timerfd_create(2)."""

    def __init__(self, library: ctypes.CDLL, ring: Callable[[], None]) -> None:
        self._loop, self._ring = asyncio.get_running_loop(), ring
        self._set, self._times = library.timerfd_settime, _Times()
        self._pointer = ctypes.byref(self._times)
        self._file = library.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._waiting = False
        self._loop.add_reader(self._file, self._rang)

    def set(self, moment: float) -> None:
        left = max(1, int((moment - perf_counter()) * 1e9))  # of zero it would never ring
        self._times.seconds, self._times.nanoseconds = divmod(left, 1_000_000_000)
        self._waiting = True
        self._set(self._file, 0, self._pointer, None)

    def close(self) -> None:
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _rang(self) -> None:
        self._waiting = False
        self._ring()
        if not self._waiting and self._file >= 0:  # else it reads as quiet again
            os.read(self._file, 8)

"""Threads that are for one thing alone."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

TURN_SECONDS = 0.00005


def take_short_turns() -> None:
    """Have a busy thread let another go on after a twentieth of a millisecond, not five.

    The event loop asks for the interpreter after every wait, several times for each request: beside a thread that reads
    a large body it would be late by all of these together.
    """
    sys.setswitchinterval(TURN_SECONDS)


@contextmanager
def thread_for(name: str, *, niceness: int = 0) -> Iterator[ThreadPoolExecutor]:
    """One thread, which is not waited for in the end: what is under way in it would hold up the stop.

    It lets all others, of other processes, too, go first by `niceness`: on Linux, where a priority is a thread's own.
    """
    executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_give_way, initargs=(niceness,))
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _give_way(niceness: int) -> None:
    if niceness and sys.platform == "linux":
        os.nice(niceness)  # on Linux the calling thread's alone

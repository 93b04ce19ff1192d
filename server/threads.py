"""Threads that are for one thing alone."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

TURN_SECONDS = 0.0005


def take_short_turns() -> None:
    """Have a busy thread let another go on after half a millisecond, not five.

    The event loop asks for the interpreter after every wait, several times for each request: beside a thread that reads
    a large body it would be late by all of these together.
    """
    sys.setswitchinterval(TURN_SECONDS)


@contextmanager
def thread_for(name: str) -> Iterator[ThreadPoolExecutor]:
    """One thread, which is not waited for in the end: what is under way in it would hold up the stop."""
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)

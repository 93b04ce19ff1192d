"""Threads that are for one thing alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def thread_for(name: str) -> Iterator[ThreadPoolExecutor]:
    """One thread, which is not waited for in the end: what is under way in it would hold up the stop."""
    executor = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)

"""A deadline: an absolute time on the event loop's clock, made once and only ever tightened, with `min`.

Between two processes of one machine it travels as CLOCK_MONOTONIC nanoseconds; across machines, as what remains.
"""

import asyncio
import time
from typing import NewType

Deadline = NewType("Deadline", float)

ROUNDING = 0.002
"""Seconds: uvloop's timers are in whole milliseconds. What ends so close to its deadline, ended at it."""


def deadline_after(seconds: float) -> Deadline:
    """The deadline `seconds` from now."""
    return Deadline(asyncio.get_running_loop().time() + seconds)


def remaining(deadline: Deadline) -> float:
    """Seconds until `deadline`; negative once it has passed."""
    return deadline - asyncio.get_running_loop().time()


def to_monotonic_ns(deadline: Deadline) -> int:
    """`deadline` on CLOCK_MONOTONIC. The difference is taken, for the loop's clock need not be that one."""
    return time.monotonic_ns() + int(remaining(deadline) * 1e9)


def from_monotonic_ns(moment: int) -> Deadline:
    """The deadline at `moment` nanoseconds of CLOCK_MONOTONIC."""
    return deadline_after((moment - time.monotonic_ns()) * 1e-9)

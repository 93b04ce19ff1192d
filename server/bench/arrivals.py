"""When requests are meant to leave: moments in seconds from the start of a run. Pure, and the same at every run."""

import itertools
import random
from collections.abc import Iterator


def constant(rate: float, seconds: float) -> Iterator[float]:
    """One every 1 / `rate` seconds, `rate * seconds` of them but at least one."""
    return (index / rate for index in range(max(1, round(rate * seconds))))


def poisson(rate: float, seconds: float, seed: int = 0) -> Iterator[float]:
    """Independent of each other, `rate` a second on average: as those of many users who do not know of each other."""
    gaps = random.Random(seed)  # noqa: S311 - no secret
    moments = itertools.accumulate(iter(lambda: gaps.expovariate(rate), None))
    return itertools.takewhile(lambda moment: moment < seconds, moments)

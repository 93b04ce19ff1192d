"""Durations, counted to three digits at a fixed cost: an HdrHistogram in microseconds, up to an hour.

Its `record_value` takes a microsecond, seven times an answer; so what comes is gathered first, and equal values (of
three digits there are few) are counted together.
"""

from array import array
from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram

DIGITS, BITS = 3, 11  # what a value is rounded down to: the histogram would tell no more apart
MOST_US = 3_600_000_000
GATHERED = 2048
LEVELS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


class Latencies:
    """Of one kind of event. Source: https://github.com/HdrHistogram/HdrHistogram_py"""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, MOST_US, DIGITS)
        self._new = array("d")
        self._longest_us = 0

    def record(self, seconds: float) -> None:
        """One more; less than a microsecond is one."""
        self._new.append(seconds)
        if len(self._new) >= GATHERED:
            self._count()

    def __len__(self) -> int:
        count: int = self._histogram.total_count
        return count + len(self._new)

    def at(self, percentiles: Iterable[float]) -> list[float]:
        """Milliseconds at each of `percentiles`, of 100; of nothing they are none."""
        self._count()
        wanted = list(percentiles)
        found = self._histogram.get_percentile_to_value_dict(wanted) if len(self) else {}
        return [min(found[level], self._longest_us) / 1e3 for level in wanted] if found else []

    def levels(self) -> dict[str, float]:
        """Milliseconds at `LEVELS`."""
        return dict(zip(LEVELS, self.at(LEVELS.values()), strict=False))

    def _count(self) -> None:
        if not self._new:
            return
        micros = np.rint(np.frombuffer(self._new) * 1e6).clip(1, MOST_US).astype(np.int64)
        self._longest_us = max(self._longest_us, int(micros.max()))
        beyond = np.maximum(np.frexp(micros)[1] - BITS, 0)
        for value, count in zip(*np.unique(micros >> beyond << beyond, return_counts=True), strict=True):
            self._histogram.record_value(int(value), int(count))
        self._new = array("d")

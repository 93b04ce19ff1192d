"""Counts in fixed buckets, which can be added up over processes; no clock, no I/O."""

from bisect import bisect_left

import numpy as np

from models.types import Array

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 10_000.0)
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
MANY = 64  # values, from which on arrays are faster


class Histogram:
    """How many values were at most each of `bounds`, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last is for what is over all bounds
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add_all(self, values: Array) -> None:
        """Each of `values` (n,)."""
        if len(values) < MANY:
            for value in values.tolist():
                self.add(value)
            return
        found = np.bincount(np.searchsorted(self.bounds, values), minlength=len(self.counts))
        self.counts = [count + more for count, more in zip(self.counts, found.tolist(), strict=True)]
        self.sum += float(values.sum())

    def cumulative(self) -> list[int]:
        """For each bound, and then for infinity: how many values were at most that."""
        total, upto = 0, []
        for count in self.counts:
            total += count
            upto.append(total)
        return upto

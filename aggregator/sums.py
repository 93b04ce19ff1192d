"""What the rules add up, member after member: the same to the last bit alone and in a batch. See `aggregator.rules`."""

from functools import reduce

import numpy as np

from models.types import Array

IN_PAIRS = 8  # NumPy's own sum adds so many, or more, in pairs if they lie side by side
DOUBT = 1e-9  # of all weight: far above what sums of floats can be wrong by, far below what a vote can tell


def added(values: Array) -> Array:
    """The sum over members, one after the other in any layout: the last bit must not depend on the batch."""
    total: Array = np.add.reduce(values, axis=0) if len(values) < IN_PAIRS else reduce(np.add, values)
    return total


def weighted(scores: Array, weights: Array) -> Array:
    """The weighted sum of the scores: (n, k)."""
    return added(scores * weights[:, :, None])


def or_one(total: Array) -> Array:
    """A divisor: 1 where `total` is 0."""
    divisor: Array = total + (total == 0)
    return divisor


def shares(sums: Array, total: Array) -> Array:
    """`sums` (n, k) over their `total` (n,); uniform where that is 0."""
    nobody = total == 0
    if nobody.any():
        sums, total = sums + nobody[:, None], total + nobody * sums.shape[1]
    share: Array = sums / total[:, None]
    return share


def reach(weights: Array, outstanding: Array) -> Array:
    """How much a rival could gain (n,), and a little more where anyone is out: in doubt, it could."""
    doubt = DOUBT * (added(weights) + outstanding)
    gain: Array = outstanding + doubt * (outstanding > 0)
    return gain


def unbeatable(sums: Array, gain: Array, ranks: Array) -> Array:
    """Whether the first of the highest `sums` (n, k) stays it, were every other class to gain `gain` (n,)."""
    winner = sums.argmax(axis=1)
    rivals = ranks != winner[:, None]
    same: Array = (sums + rivals * gain[:, None]).argmax(axis=1) == winner
    return same

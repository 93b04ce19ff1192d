"""Who gets which share of the requests: the same key always the same side, a growing side only takes.

A key is a point in [0, 1), and each side holds a part of it: the first the middle, the second grows from the upper end,
the third from the lower one, and so on in turn. Of two or three sides, one that grows takes keys from the first alone.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from models.types import Array, Scalar

BITS = 53  # as many as a float tells apart


class Shares:
    """The sides of a split, by their number; `shares` sum to 1. Splits with different `salt` share differently."""

    def __init__(self, shares: Sequence[float], salt: str) -> None:
        if not (shares and min(shares) >= 0 and abs(sum(shares) - 1) <= 1e-9):
            raise ValueError(f"shares must not be negative and sum to 1, got {list(shares)}")
        self._salt = salt.encode()
        upper, lower = list(range(1, len(shares), 2)), list(range(2, len(shares), 2))
        self._sides = np.array([*lower, 0, *upper[::-1]])
        self._bounds = np.cumsum([shares[side] for side in self._sides])[:-1]

    def side(self, key: str) -> int:
        """The side that `key` is on."""
        return int(self._sides[np.searchsorted(self._bounds, self._point(key), side="right")])

    def sides(self, keys: Sequence[str]) -> Array:
        """The side of each of `keys` (n,): (n,)."""
        points = np.array([self._point(key) for key in keys])
        sides: Array = self._sides[np.searchsorted(self._bounds, points, side="right")]
        return sides

    def _point(self, key: str) -> float:
        digest = hashlib.blake2b(key.encode(), digest_size=8, key=self._salt).digest()
        return (int.from_bytes(digest, "big") >> (64 - BITS)) * 2.0**-BITS


def text_of(value: Scalar) -> str:
    """A key as text, the same for equal values: 7, 7.0 and "7" are one key."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)

"""Numbers as people read them."""

import math


def percent(share: float) -> str:
    """`99.95 %`: cut, not rounded, so that it is never a whole that it is not, and finer from 99.9 on."""
    digits = 4 if share >= 0.999 else 2
    return f"{math.floor(share * 100 * 10**digits + 1e-6) / 10**digits:.{digits + 3}g} %"


def number(value: float | None) -> str:
    """Four digits, or nothing."""
    return "" if value is None else f"{value:.4g}"


def count(number: int, what: str) -> str:
    """`1 row`, `2 rows`: regular nouns only."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"

"""Means that several fronts can put together: until it is shown, a mean is a sum and what it is over."""

from collections.abc import Mapping
from typing import Any

SUM, OVER = "mean_sum", "mean_over"


def mean(total: float, over: float) -> dict[str, float]:
    """`total / over`, which is shown as None while nothing has been counted."""
    return {SUM: total, OVER: over}


def with_means(value: Any) -> Any:
    """`value`, with a number for each mean that is anywhere in it."""
    if isinstance(value, Mapping):
        if value.keys() == {SUM, OVER}:
            return value[SUM] / value[OVER] if value[OVER] else None
        return {key: with_means(one) for key, one in value.items()}
    return [with_means(one) for one in value] if isinstance(value, list | tuple) else value

"""Weights as integers, so that ties are exact."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from models.types import Array


def integer_weights(weights: Sequence[float]) -> Array:
    """The smallest integers in the same proportions as `weights`, read as the decimals they were written as: (m,).

    Raises:
        ValueError: one is negative or not finite, none is positive, or their sum would not be exact in float64.
    """
    for weight in weights:
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"a weight must be finite and at least 0, got {weight}")
    if not any(weights):
        raise ValueError(f"at least one weight must be above 0, got {list(weights)}")
    exact = [Fraction(str(weight)) for weight in weights]
    unit = math.lcm(*(fraction.denominator for fraction in exact))
    integers = [int(fraction * unit) for fraction in exact]
    common = math.gcd(*integers)
    if sum(integers) // common > 2**53:
        raise ValueError(f"weights must have a common unit, at most 2**53 of it; use fewer digits than {list(weights)}")
    return np.array([integer // common for integer in integers], dtype=np.float64)

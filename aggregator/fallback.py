"""What an ensemble says where it has no quorum, as a configuration writes it."""

import math
from collections.abc import Mapping

import numpy as np

from models.answers import TOLERANCE
from models.names import no_such
from models.types import Array, Signature


def fallback_of(given: str | Mapping[str, float] | float, signature: Signature) -> Array:
    """One row: the probabilities (k,) of a label, or of a table by label where others are 0; or a number (1,).

    Raises:
        ValueError: it is not an answer to `signature`.
    """
    if not signature.labels:
        return _number(given)
    if isinstance(given, str):
        return _probabilities({given: 1.0}, signature.labels)
    if isinstance(given, Mapping):
        return _probabilities(given, signature.labels)
    raise ValueError(f"expected a label, or a table of probabilities by label, got {given}")


def _number(given: str | Mapping[str, float] | float) -> Array:
    if isinstance(given, str | Mapping) or not math.isfinite(given):
        raise ValueError(f"expected a finite number for a regression, got {given!r}")
    return np.array([given], dtype=np.float64)


def _probabilities(given: Mapping[str, float], labels: tuple[str, ...]) -> Array:
    for label, probability in given.items():
        if label not in labels:
            raise ValueError(no_such("label", label, labels))
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability is 0 to 1, got {probability} for {label!r}")
    total = math.fsum(given.values())
    if abs(total - 1) > TOLERANCE:
        raise ValueError(f"probabilities must sum to 1, got {total:g}")
    return np.array([given.get(label, 0.0) for label in labels]) / total

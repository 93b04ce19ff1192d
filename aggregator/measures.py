"""How far an answer can be trusted: who stands behind it, and how sure it is."""

import numpy as np

from aggregator.sums import added, or_one
from models.types import Array


def agreement(scores: Array, weights: Array, combined: Array) -> Array:
    """The share of the weight whose own label is that of `combined` (n, k): (n,); 0 where nobody voted."""
    agreeing = scores.argmax(axis=2) == combined.argmax(axis=1)
    return added(agreeing * weights) / or_one(added(weights))


def entropy(probabilities: Array) -> Array:
    """The entropy of each row of `probabilities` (n, k), in nats: (n,); exactly 0 for certainty."""
    terms = probabilities * np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return 0.0 - np.add.accumulate(terms, axis=1)[:, -1]  # from 0, for the negative of 0.0 is -0.0

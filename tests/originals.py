"""What the registered originals say, and how a person would combine it: plain NumPy, nothing of the server's."""

import numpy as np

from models.registry import Registry
from models.types import Array


def calibrated(registry: Registry, name: str, rows: Array) -> Array:
    """(n, k): what the original says of `rows`, with its version's temperature."""
    said = registry.original(name).predict_proba(rows).astype(np.float64)
    temperature = registry.manifest(name).temperature
    assert temperature is not None
    tempered = np.maximum(said, 1e-6) ** (1 / temperature)
    probabilities: Array = tempered / tempered.sum(axis=1, keepdims=True)
    return probabilities


def combined(votes: Array, rule: str) -> Array:
    """(n, k) of what m members say, (m, n, k)."""
    classes = votes.shape[2]
    if rule == "hard":
        return np.stack([np.bincount(row, minlength=classes) / len(row) for row in votes.argmax(axis=2).T])
    if rule == "soft":
        mean: Array = votes.mean(axis=0)
        return mean
    floor = min(1e-3, 0.01 / classes)
    geometric = np.exp(np.log(np.maximum(votes, floor)).mean(axis=0))
    pooled: Array = geometric / geometric.sum(axis=1, keepdims=True)
    return pooled

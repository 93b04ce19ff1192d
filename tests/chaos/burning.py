"""A model that burns 4 ms of CPU for each row, so that two cores can be offered several times what they can do."""

import time
from collections.abc import Mapping

import numpy as np

from models.types import Array

SECONDS = 0.004


def predict(columns: Mapping[str, Array]) -> Array:
    """(n, 2), always the same."""
    rows = len(next(iter(columns.values())))
    until = time.thread_time() + SECONDS * rows
    while time.thread_time() < until:
        pass
    return np.tile([0.25, 0.75], (rows, 1))

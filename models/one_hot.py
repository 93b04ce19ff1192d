"""A classifier that names one label per row, as probabilities: all of it on that label, since it says no more."""

from collections.abc import Sequence

import numpy as np

from models.errors import InvalidAnswer
from models.types import Array

NO_LABEL = -1


def one_hot(said: Array, labels: Sequence[str]) -> Array:
    """Strings or integers (n,) or (n, 1) as probabilities (n, k) in the order of `labels`.

    Integers are names where all `labels` are integers ("3", "7"); else they count the labels, from 0.

    Raises:
        InvalidAnswer: something else, or no label.
    """
    if said.dtype.kind not in "Oiu" or said.ndim not in (1, 2) or said.shape[1:] not in ((), (1,)):
        raise InvalidAnswer(f"labels must be strings or integers, one per row, got {said.dtype} of shape {said.shape}")
    places = _places(said, labels)
    chosen = np.array([places.get(value, NO_LABEL) for value in said.reshape(-1).tolist()])
    if (chosen == NO_LABEL).any():
        row = int((chosen == NO_LABEL).argmax())
        raise InvalidAnswer(f"row {row} is no label: {str(said.reshape(-1)[row])[:40]!r}")
    scores = np.zeros((len(chosen), len(labels)))
    scores[np.arange(len(chosen)), chosen] = 1.0
    return scores


def _places(said: Array, labels: Sequence[str]) -> dict[str | int, int]:
    """Where each label stands, by what names it."""
    if said.dtype.kind == "O":
        return {label: place for place, label in enumerate(labels)}
    try:
        return {int(label): place for place, label in enumerate(labels)}
    except ValueError:
        return {place: place for place in range(len(labels))}

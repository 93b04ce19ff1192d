"""What a practice measures, as the models know it."""

from collections.abc import Mapping
from typing import Any


def prepare(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body mass index, in kg/m2."""
    return {"bmi": columns["weight_kg"] / (columns["height_cm"] / 100) ** 2}

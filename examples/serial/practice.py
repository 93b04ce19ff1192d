"""What a practice measures, as the models know it."""

from collections.abc import Mapping
from typing import Any


def prepare(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body mass index, in kg/m2."""
    return {"bmi": columns["weight_kg"] / (columns["height_cm"] / 100) ** 2}


def explain(columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sentence for each patient."""
    return {"text": [_sentence(*row) for row in zip(columns["predictions"], columns["bmi"], strict=True)]}


def _sentence(progression: float, bmi: float) -> str:
    course = "slow" if progression < 100 else "moderate" if progression < 200 else "fast"
    weight = "normal" if bmi < 25 else "too high"
    return f"a {course} course is expected ({progression:.0f}); the weight is {weight} (body mass index {bmi:.1f})"

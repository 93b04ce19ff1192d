"""Figures that something counts about itself, for whoever shows them; without Prometheus, which not all need."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure, as a metric `chorus_<name>`; `labels` are beside the one that says whose it is."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str]
    kind: Literal["counter", "gauge"] = "counter"

"""Metrics of several fronts as those of one server: sample by sample, whatever they are of.

Counters and histograms add up. So do gauges, but for what all fronts must agree on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Place = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and labels."""

ADDITIVE = ("counter", "histogram")
AGREED: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "chorus_build": max,
        "chorus_backend_ready": min,
        "chorus_backend_restarts": max,
        "chorus_backend_drill": max,
        "chorus_brown_out": max,
    }
)
"""What is not a front's own, and what holds for a moment in which they differ."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with all its samples, in order."""

    name: str
    about: str
    kind: str
    samples: tuple[tuple[Place, float], ...]


def families_of(metrics: Iterable[Metric], more: Callable[[str], Mapping[str, str]]) -> Iterator[Family]:
    """What a collector says, with as many `more` labels as the name of a metric asks for."""
    for metric in metrics:
        labels = more(metric.name)
        samples = tuple(
            ((sample.name, tuple({**sample.labels, **labels}.items())), float(sample.value))
            for sample in metric.samples
        )
        yield Family(metric.name, metric.documentation, metric.type, samples)


def added(fronts: Iterable[Iterable[Family]]) -> list[Family]:
    """The metrics of the whole server."""
    together: dict[str, list[Family]] = {}
    for front in fronts:
        for family in front:
            together.setdefault(family.name, []).append(family)
    return [families[0] if len(families) == 1 else _added(families) for families in together.values()]


def _added(families: Sequence[Family]) -> Family:
    """The same metric of several fronts."""
    agree = AGREED.get(families[0].name)
    values: dict[Place, float] = {}
    for family in families:
        for place, value in family.samples:
            if place not in values:
                values[place] = value
            else:
                values[place] = agree(values[place], value) if agree else values[place] + value
    return msgspec.structs.replace(families[0], samples=tuple(values.items()))


def additive(families: Iterable[Family]) -> list[Family]:
    """Those that still hold when a front is gone."""
    return [family for family in families if family.kind in ADDITIVE]


class Shown(Collector):
    """Families as Prometheus' client wants them, to be encoded."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """One by one."""
        for family in self._families:
            metric = Metric(family.name, family.about, family.kind)
            for (name, labels), value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric

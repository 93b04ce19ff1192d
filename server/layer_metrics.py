"""What the layers of backends have counted, in Prometheus' words."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from backends.keep import Keep
from backends.served import Served
from backends.statistics import Statistics
from backends.vitals import Vitals
from server.places import BREAKERS, Place, places_of

Of = tuple[str, str, Callable[[Statistics], int]]

COUNTED: tuple[Of, ...] = (
    ("chorus_tries", "Calls that were made to its addresses.", lambda counted: counted.tries),
    ("chorus_retries", "Tries after one that failed.", lambda counted: counted.retries),
    ("chorus_resends", "Requests that were sent again over another connection.", lambda counted: counted.resends),
    ("chorus_hedges", "Tries beside one that took long.", lambda counted: counted.hedges),
    ("chorus_hedges_won", "Hedges that were answered first.", lambda counted: counted.hedges_won),
    ("chorus_coalesced", "Calls that waited for the answer to another.", lambda counted: counted.coalesced),
    ("chorus_drilled_calls", "Calls in which a drill played a fault.", lambda counted: counted.drilled),
    ("chorus_cache_hits", "Calls that were answered from the cache.", lambda counted: counted.cache_hits),
    ("chorus_cache_misses", "Calls that were not.", lambda counted: counted.cache_misses),
)


def of_layers(served: Sequence[Served]) -> Iterator[Metric]:
    """Of every model; an ensemble has no such layers."""
    models = [(one, one.vitals) for one in served if one.vitals is not None]
    for name, about, value in COUNTED:
        family = CounterMetricFamily(name, about, labels=("backend",))
        for one, _ in models:
            family.add_metric((one.name,), value(one.statistics))
        yield family
    yield from _of_bounds(models)
    yield from _of_keeps([(one.name, vitals.keep) for one, vitals in models if vitals.keep is not None])
    now = time.perf_counter()
    yield from _of_places([(one.name, *place) for one, _ in models for place in places_of(one.replicas, now).items()])


def _of_bounds(models: Iterable[tuple[Served, Vitals]]) -> Iterator[Metric]:
    room = GaugeMetricFamily("chorus_limit_room", "Calls that may be under way now.", labels=("backend",))
    halvings = CounterMetricFamily("chorus_limit_halvings", "Times that it had too much to do.", labels=("backend",))
    for one, vitals in models:
        room.add_metric((one.name,), vitals.bound.room)
        halvings.add_metric((one.name,), vitals.bound.halvings)
    yield from (room, halvings)


def _of_keeps(keeps: Iterable[tuple[str, Keep]]) -> Iterator[Metric]:
    entries = GaugeMetricFamily("chorus_cache_entries", "Answers in the cache.", labels=("backend",))
    size = GaugeMetricFamily("chorus_cache_bytes", "How much they take.", labels=("backend",))
    for name, keep in keeps:
        entries.add_metric((name,), len(keep))
        size.add_metric((name,), keep.size)
    yield from (entries, size)


def _of_places(places: Iterable[tuple[str, str, Place]]) -> Iterator[Metric]:
    labels = ("backend", "replica")
    state = GaugeMetricFamily("chorus_breaker_state", "In which state it is.", labels=(*labels, "state"))
    busy = GaugeMetricFamily("chorus_replica_in_flight", "Calls under way.", labels=labels)
    opens = CounterMetricFamily("chorus_breaker_opens", "Times that it opened.", labels=labels)
    probes = CounterMetricFamily("chorus_breaker_probes", "Calls that were its probes.", labels=labels)
    panics = CounterMetricFamily("chorus_breaker_panics", "Calls that it let through for the quorum.", labels=labels)
    for backend, replica, place in places:
        where = (backend, replica)
        for phase in BREAKERS:
            state.add_metric((*where, phase), place.breaker == phase)
        for family, value in ((opens, place.opens), (probes, place.probes), (panics, place.panics)):
            family.add_metric(where, value)
        busy.add_metric(where, place.in_flight)
    yield from (state, busy, opens, probes, panics)

"""What bounds the load, in Prometheus' words."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from server.admission import Admission


def of_load(admission: Admission, hung_up: Counter[str]) -> Iterator[Metric]:
    """Of one front."""
    yield from _of_lanes(admission)
    brown_out = GaugeMetricFamily("chorus_brown_out", "The share of the members not needed that are not asked.")
    brown_out.add_metric((), admission.brown_out)
    bodies = GaugeMetricFamily("chorus_bodies_bytes", "Bodies of requests that are in memory.")
    bodies.add_metric((), admission.memory.bodies)
    slow = CounterMetricFamily("chorus_hung_up", "Connections closed because the other end was slow.", labels=("with",))
    for what, count in hung_up.items():
        slow.add_metric((what,), count)
    durations = admission.lag.durations
    bounds = [*map(str, durations.bounds), "+Inf"]
    lag = HistogramMetricFamily("chorus_loop_lag_seconds", "How late the event loop runs what is due.")
    lag.add_metric((), list(zip(bounds, durations.cumulative(), strict=True)), durations.sum)
    yield from (brown_out, bodies, slow, lag)


def _of_lanes(admission: Admission) -> Iterator[Metric]:
    labels = ("model",)
    under_way = GaugeMetricFamily("chorus_requests_under_way", "Requests that are worked on.", labels=labels)
    room = GaugeMetricFamily("chorus_requests_room", "How many may be worked on now.", labels=labels)
    waiting = GaugeMetricFamily("chorus_requests_waiting", "Requests that wait for that.", labels=labels)
    waited = CounterMetricFamily("chorus_requests_waited", "Requests that had to wait.", labels=labels)
    refused = CounterMetricFamily(
        "chorus_requests_refused", "Requests that were refused to keep the others in time.", labels=("model", "why")
    )
    for name, lane in admission.lanes.items():
        under_way.add_metric((name,), lane.under_way)
        room.add_metric((name,), lane.capacity.room)
        waiting.add_metric((name,), len(lane.line))
        waited.add_metric((name,), lane.waited)
        for why, count in lane.refused.items():
            refused.add_metric((name, why), count)
    yield from (under_way, room, waiting, waited, refused)

"""Metrics of several fronts as those of one."""

from collections.abc import Callable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from server.families import Family, Shown, added, additive, families_of

NONE: Callable[[str], Mapping[str, str]] = lambda name: {}  # noqa: E731 - a value


def front(calls: Mapping[str, int], ready: int, buckets: tuple[int, int], restarts: int = 2) -> list[Family]:
    counter = CounterMetricFamily("chorus_calls", "Calls.", labels=("backend",))
    for name, count in calls.items():
        counter.add_metric((name,), count)
    gauge = GaugeMetricFamily("chorus_backend_ready", "Ready.", labels=("backend",))
    gauge.add_metric(("a",), ready)
    flight = GaugeMetricFamily("chorus_backend_in_flight", "Under way.", labels=("backend",))
    flight.add_metric(("a",), 3)
    again = CounterMetricFamily("chorus_backend_restarts", "Restarts.", labels=("backend",))
    again.add_metric(("a",), restarts)
    histogram = HistogramMetricFamily("chorus_seconds", "Seconds.", labels=("backend",))
    histogram.add_metric(("a",), [("1.0", buckets[0]), ("+Inf", buckets[1])], 0.5)
    return list(families_of([counter, gauge, flight, again, histogram], NONE))


def text(families: list[Family]) -> list[str]:
    lines: list[str] = generate_latest(Shown(families)).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_counters_and_histograms_add_up_and_what_is_the_servers_is_agreed_on() -> None:
    merged = added([front({"a": 1, "b": 2}, 1, (1, 4)), front({"c": 5, "a": 10}, 0, (2, 2), restarts=3)])
    assert text(merged) == [
        'chorus_calls_total{backend="a"} 11.0',
        'chorus_calls_total{backend="b"} 2.0',
        'chorus_calls_total{backend="c"} 5.0',
        'chorus_backend_ready{backend="a"} 0.0',
        'chorus_backend_in_flight{backend="a"} 6.0',
        'chorus_backend_restarts_total{backend="a"} 3.0',
        'chorus_seconds_bucket{backend="a",le="1.0"} 3.0',
        'chorus_seconds_bucket{backend="a",le="+Inf"} 6.0',
        'chorus_seconds_count{backend="a"} 6.0',
        'chorus_seconds_sum{backend="a"} 1.0',
    ]


def test_one_front_alone_is_as_it_says() -> None:
    alone = front({"a": 1}, 1, (1, 1))
    assert added([alone]) == alone


def test_gauges_do_not_outlive_their_front() -> None:
    names = [family.name for family in additive(front({}, 1, (0, 0)))]
    assert names == ["chorus_calls", "chorus_backend_restarts", "chorus_seconds"]


def test_more_labels_go_to_those_who_need_them() -> None:
    metrics: list[Metric] = [CounterMetricFamily("process_cpu", "CPU.", 1), CounterMetricFamily("chorus_x", "X.", 2)]
    families = families_of(metrics, lambda name: {} if name.startswith("chorus") else {"front": "front 1"})
    assert text(list(families)) == ['process_cpu_total{front="front 1"} 1.0', "chorus_x_total 2.0"]

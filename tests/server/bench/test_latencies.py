import random

import pytest

from server.bench.latencies import Latencies


def test_percentiles_are_those_of_the_values_to_three_digits() -> None:
    dice = random.Random(0)
    values = [dice.lognormvariate(-5, 2) for _ in range(50_000)]
    latencies = Latencies()
    for value in values:
        latencies.record(value)
    values.sort()
    assert len(latencies) == 50_000
    levels = [1, 50, 90, 99, 99.9, 100]
    for level, found in zip(levels, latencies.at(levels), strict=True):
        exact = values[round(level * 500) - 1]
        assert found == pytest.approx(exact * 1e3, rel=2e-3, abs=1.1e-3)


def test_few_values_are_counted_at_once() -> None:
    latencies = Latencies()
    latencies.record(0.007)
    assert latencies.levels() == pytest.approx({"p50": 7, "p90": 7, "p99": 7, "p99.9": 7, "max": 7}, rel=1e-3)
    latencies.record(0.1)
    assert latencies.levels()["max"] == pytest.approx(100)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert Latencies().at([50]) == []
    assert Latencies().levels() == {}


def test_what_is_out_of_range_counts_as_its_end() -> None:
    latencies = Latencies()
    for seconds in (-1, 0, 1e9):
        latencies.record(seconds)
    assert len(latencies) == 3
    assert latencies.at([1, 100]) == [0.001, 3_600_000]

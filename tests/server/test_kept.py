"""A sum over fronts never falls, whoever dies and whatever is asked when."""

from pathlib import Path

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from server.families import Family, added, families_of
from server.kept import Kept, decoded, read_kept


class Front:
    """One life of a front that counts what it is told."""

    def __init__(self, path: Path, others: dict[str, Path] | None = None) -> None:
        self.kept = Kept(path, others or {})
        self.count = 0

    def ask(self) -> list[Family]:
        metrics = [CounterMetricFamily("chorus_x", "X.", self.count), GaugeMetricFamily("chorus_y", "Y.", 1)]
        return decoded(self.kept.keep(families_of(metrics, lambda name: {})))


def total(*fronts: list[Family]) -> float:
    return next(family for family in added(fronts) if family.name == "chorus_x").samples[0][1]


def test_who_takes_a_dead_ones_place_goes_on_from_what_was_shown(tmp_path: Path) -> None:
    path = tmp_path / "1.counters"
    first = Front(path)
    first.count = 10
    assert total(first.ask()) == 10
    first.count = 15  # dies with five that nobody has seen
    second = Front(path)
    assert total(second.ask()) == 10
    second.count = 1
    assert total(second.ask()) == 11
    assert total(Front(path).ask()) == 11


def test_of_a_silent_one_the_counters_are_there_and_the_gauges_are_not(tmp_path: Path) -> None:
    paths = {"front 2": tmp_path / "2.counters"}
    silent, asked = Front(paths["front 2"]), Front(tmp_path / "1.counters", paths)
    assert asked.kept.last_of("front 2") == []
    silent.count, asked.count = 7, 100
    before = total(asked.ask(), silent.ask())
    silent.count = 9
    last = asked.kept.last_of("front 2")
    assert total(asked.ask(), last) == before == 107
    assert [family.name for family in last] == ["chorus_x"]


def test_what_was_half_written_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "1.counters"
    path.write_bytes(b"\x93\x01")
    assert read_kept(path) == []


def test_a_full_disk_is_no_reason_to_say_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    front = Front(tmp_path / "gone" / "1.counters")
    front.count = 1
    assert total(front.ask()) == 1
    assert "cannot keep the counters" in caplog.text

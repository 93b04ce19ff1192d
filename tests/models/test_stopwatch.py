import pytest

from models.stopwatch import Stopwatch, from_server_timing, server_timing


class Clock:
    """Reads what it is set to."""

    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        return self.now


def test_the_stages_add_up_to_the_total() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock, began=8.0)
    stopwatch.lap("decode")
    for _ in range(2):
        clock.now += 3
        stopwatch.lap("model")
    assert stopwatch.seconds == {"decode": 2.0, "model": 6.0}
    assert stopwatch.total == 8.0


def test_what_someone_else_spent_is_taken_out_of_the_stage() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    clock.now += 5
    stopwatch.lap("send_receive")
    stopwatch.split("send_receive", {"model": 3.0, "wait": 1.0})
    assert stopwatch.seconds == {"send_receive": 1.0, "model": 3.0, "wait": 1.0}


def test_who_claims_more_than_there_was_is_not_believed() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock)
    clock.now += 5
    stopwatch.lap("send_receive")
    stopwatch.split("send_receive", {"model": 5.5})
    assert stopwatch.seconds == {"send_receive": 5.0}


def test_stages_survive_the_header() -> None:
    stages = {"worker_decode": 0.0002, "model": 1.5}
    assert server_timing(stages) == "worker_decode;dur=0.200000, model;dur=1500.000000"
    assert from_server_timing(server_timing(stages)) == stages


@pytest.mark.parametrize(
    "text", ["", "cache", "db;dur=-1", "db;dur=nan", "db;dur=1e9", "a b;dur=1", "\x1b;dur=1", "db;dur=" + "9" * 2000]
)
def test_of_a_strange_header_nothing_is_taken(text: str) -> None:
    assert from_server_timing(text) == {}


def test_what_is_well_formed_among_the_strange_is_taken() -> None:
    assert from_server_timing('cdn;desc="x", model;dur=2, miss') == {"model": 0.002}

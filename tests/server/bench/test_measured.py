import msgspec
import pytest

from server.bench.answers import read_v1
from server.bench.measured import Measured
from server.bench.objective import Objective
from server.bench.summary import Summary, doubt, summary_of


def body(status: str, fate: str = "ok", elapsed_ms: float = 2.0) -> bytes:
    outcome = {"status": status, "degraded": status == "partial"}
    return msgspec.json.encode({"outcome": outcome, "members": {"a": {"fate": fate, "elapsed_ms": elapsed_ms}}})


def run() -> Measured:
    """Ten requests, one every 100 ms, and something of everything."""
    measured = Measured(read_v1)
    measured.began = measured.ended = 1000.0
    for number in range(10):
        measured.departed(1000 + number / 10)
    for number in range(5):
        measured.answered(1000 + number / 10, 1000 + number / 10 + 0.01, 200, body("complete"))
    measured.answered(1000.5, 1000.55, 200, body("partial", "late", 40.0))
    measured.answered(1000.6, 1000.602, 503, b'{"members": {"a": {"fate": "skipped", "reason": "away"}}}')
    measured.answered(1000.7, 1000.72, 200, b"<html>")
    measured.failed(1000.8, 1000.81, "reset")
    measured.failed(1000.9, 1001.5, "interrupted")
    measured.series.finish()
    return measured


def test_each_request_counts_once() -> None:
    summary = summary_of(run(), seconds=1, rate=10)
    assert summary.offered == 10
    assert (summary.answered, summary.refused, summary.failed, summary.interrupted) == (6, 1, 2, 1)
    assert summary.statuses == {"200": 6, "503": 1}
    assert summary.errors == {"malformed": 1, "reset": 1}
    assert summary.outcomes == {"complete": 5, "partial": 1}
    assert summary.share == 6 / 9
    assert summary.degraded_share == 1 / 6
    assert summary.members["a"].fates == {"ok": 5, "late": 1, "skipped: away": 1}


def test_latencies_are_those_of_the_answers_and_refusals_have_their_own() -> None:
    summary = summary_of(run(), seconds=1, rate=10)
    assert summary.latency_ms["max"] == 50
    assert summary.latency_ms["p50"] == pytest.approx(10, rel=1e-3)
    assert summary.refused_ms["max"] == 2
    assert [second.offered for second in summary.series] == [10]
    assert (summary.series[0].answered, summary.series[0].refused, summary.series[0].failed) == (6, 1, 2)


def test_rates_are_of_the_time_that_was_meant_or_of_what_there_was_before_an_interruption() -> None:
    measured = Measured(read_v1)
    measured.began = measured.ended = 1000.0
    for number in range(100):
        measured.departed(1000 + number / 100)
        measured.answered(1000 + number / 100, 1000 + number / 100 + 0.001, 200, body("complete"))
    assert summary_of(measured, seconds=1, rate=100).rate.answered == 100
    measured.departed(1002)
    measured.failed(1002, 1002, "interrupted")
    assert summary_of(measured, seconds=10, rate=100).rate.answered == 50


def test_of_nothing_there_is_a_summary_too() -> None:
    summary = summary_of(Measured(), seconds=1)
    assert (summary.share, summary.rate.answered, summary.latency_ms, summary.percentiles) == (0, 0, {}, [])
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_the_curve_of_percentiles_rises_to_the_slowest() -> None:
    curve = summary_of(run(), seconds=1, rate=10).percentiles
    assert curve[0][0] == 0
    assert curve[-1] == (100, 50)
    assert curve == sorted(curve)


def test_the_generator_is_doubted_when_it_was_late_or_had_no_core_left() -> None:
    assert doubt(0.9, 2, 0.2) is None  # below a millisecond
    assert doubt(5, 60, 0.2) is None  # little of the p99
    assert "late by 5 ms" in (doubt(5, 40, 0.2) or "")
    assert "95%" in (doubt(0, 40, 0.95) or "")


def test_an_objective_says_what_was_missed() -> None:
    summary = summary_of(run(), seconds=1, rate=10)
    assert Objective(p99_ms=60, share=0.5, degraded=0.2).missed(summary) == []
    assert Objective(p99_ms=40, share=0.9, degraded=0.1).missed(summary) == [
        "p99 50 ms, over 40 ms", "66.66 % answered, under 90 %", "16.66 % degraded, over 10 %",
    ]  # fmt: skip
    assert Objective(p99_ms=40).missed(summary_of(Measured(), seconds=1)) == ["no answer"]
    assert not Objective().missed(summary_of(Measured(), seconds=1))
    assert not Objective()
    assert Objective(degraded=0.0)


def test_a_share_is_lost_as_soon_as_it_cannot_be_reached_any_more() -> None:
    measured = run()  # three were not answered, one of them by an interruption
    assert Objective(share=0.9).lost(measured, 29)
    assert not Objective(share=0.9).lost(measured, 31)
    assert not Objective(p99_ms=1).lost(measured, 1)

"""What scenarios read from runs: made of runs in which nothing was sent."""

import msgspec
import pytest

from server.bench.answers import read_v1
from server.bench.latencies import Latencies
from server.bench.series import Second
from tests.chaos.figures import timed
from tests.chaos.runs import Recorded, all_answered, fates, p99, typical_ms

ANSWER = {
    "outcome": {"status": "partial", "degraded": True, "request_id": "one"},
    "members": {"a": {"fate": "ok"}, "b": {"fate": "failed", "reason": "reset"}, "c": {"fate": "skipped"}},
}


def second(number: int, p50_ms: float | None) -> Second:
    return Second(number, 1, 1, 0, 0, p50_ms, p50_ms)


def test_every_answer_is_kept_with_its_id_and_its_moment() -> None:
    run = Recorded(read_v1)
    run.departed(1.0)
    run.answered(1.0, 1.5, 200, msgspec.json.encode(ANSWER))
    run.departed(2.0)
    run.answered(2.0, 2.1, 503, msgspec.json.encode({"request_id": "two", "members": {}}))
    assert [(one.id, one.intended, one.came, one.status) for one in run.answers] == [
        ("one", 1.0, 1.5, 200),
        ("two", 2.0, 2.1, 503),
    ]
    assert (run.offered, run.statuses[200], run.degraded) == (2, 1, 1)


def test_availability_counts_other_statuses_and_lost_connections() -> None:
    run = Recorded(read_v1)
    for _ in range(3):
        run.departed(0.0)
    run.answered(0.0, 0.1, 200, msgspec.json.encode(ANSWER))
    assert [claim.mark for claim in all_answered(run)] == ["missed", "met", "met"]
    run.answered(0.0, 0.1, 503, msgspec.json.encode({"request_id": "two"}))
    run.failed(0.0, 0.1, "reset")
    assert [claim.mark for claim in all_answered(run)] == ["missed", "missed", "missed"]


def test_fates_are_counted_whatever_their_reasons() -> None:
    run = Recorded(read_v1)
    run.answered(0.0, 0.1, 200, msgspec.json.encode(ANSWER))
    assert [fates(run, name, "failed") for name in "abcd"] == [0, 1, 0, 0]
    assert fates(run, "c", "skipped") == 1


def test_what_is_typical_is_not_that_of_one_bad_second() -> None:
    assert typical_ms([second(0, 2.0), second(1, 900.0), second(2, 3.0), second(3, None)]) == 3.0
    assert typical_ms([]) == 0.0


def test_what_is_claimed_about_refusals_is_not_measured_where_there_were_none() -> None:
    refusals = Latencies()
    assert timed("p99 of refusals", p99(refusals), most=20).mark == "not measured"
    refusals.record(0.005)
    assert p99(refusals) == pytest.approx(5, rel=0.01)

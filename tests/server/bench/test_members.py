import pytest

from server.bench.answers import Member
from server.bench.members import Members, MemberSummary


def summary(*answers: dict[str, Member]) -> dict[str, MemberSummary]:
    members = Members()
    for one in answers:
        members.record(one)
    return members.summary()


def ok(elapsed_ms: float) -> Member:
    return Member("ok", "", elapsed_ms)


def test_the_slowest_is_the_last_and_by_how_much() -> None:
    found = summary({"a": ok(2), "b": ok(10), "c": ok(4)}, {"a": ok(3), "b": ok(1), "c": ok(2)})
    assert (found["b"].last, found["b"].last_by_ms) == (1, 6)
    assert (found["a"].last, found["a"].last_by_ms) == (1, 1)
    assert (found["c"].last, found["c"].last_by_ms) == (0, None)
    assert {name: one.wait_share for name, one in found.items()} == pytest.approx(
        {"a": 1 / 13, "b": 6 / 13, "c": 0}, abs=1e-4
    )


def test_who_was_let_go_or_never_asked_was_not_waited_for() -> None:
    let_go, away = Member("unneeded", "", 9), Member("skipped", "away", 8)
    found = summary({"a": ok(2), "b": let_go, "c": away, "d": ok(1)})
    assert found["a"].last == 1
    assert found["a"].last_by_ms == 1
    assert found["b"].fates == {"unneeded": 1}
    assert found["c"].fates == {"skipped: away": 1}
    assert found["b"].p50_ms is None


def test_who_is_late_or_fails_was_waited_for() -> None:
    late, failed = Member("late", "timeout", 50), Member("failed", "reset", 20)
    found = summary({"a": ok(2), "b": late, "c": failed})
    assert (found["b"].last, found["b"].last_by_ms) == (1, 30)
    assert found["b"].wait_share == pytest.approx(0.6)
    assert found["b"].p99_ms is None  # which is of its answers


def test_with_one_member_all_the_wait_is_for_it() -> None:
    assert summary({"a": ok(3)})["a"].wait_share == 1


def test_where_nobody_says_how_long_nobody_was_last() -> None:
    found = summary({"a": Member("ok"), "b": Member("ok")}, {})
    assert [one.last for one in found.values()] == [0, 0]
    assert [one.wait_share for one in found.values()] == [0, 0]


def test_latencies_are_those_of_the_good_answers() -> None:
    found = summary(*({"a": ok(number)} for number in range(1, 101)))
    assert found["a"].p50_ms == pytest.approx(50, rel=1e-2)
    assert found["a"].p99_ms == pytest.approx(99, rel=1e-2)


def test_made_up_names_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.bench.members.MOST_MEMBERS", 5)
    found = summary(*({f"name {number}": ok(1)} for number in range(55)))
    assert list(found) == [*(f"name {number}" for number in range(5)), "..."]
    assert found["..."].fates == {"ok": 50}

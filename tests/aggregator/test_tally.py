from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.rules import integer_weights, make_rule
from aggregator.tally import Quorum, Tally, Verdict, quorum_of
from tests.fakes import sure

ALL = slice(0, 1)
MAJORITY = Quorum(2, 2.0)


def tally(members: int = 3, rule: str = "hard", rows: int = 1) -> Tally:
    return Tally(make_rule(rule, "classification", 2), np.ones(members), rows=rows, classes=2)


def test_nothing_is_known_before_anyone_has_spoken() -> None:
    assert tally().verdict(ALL, MAJORITY, early=True) is None


def test_a_vote_that_can_no_longer_change_is_decided() -> None:
    votes = tally()
    votes.record(0, sure(1), 0.1)
    assert votes.verdict(ALL, MAJORITY, early=True) is None
    votes.record(2, sure(1), 0.2)
    assert votes.verdict(ALL, MAJORITY, early=True) == "decided"
    assert votes.verdict(ALL, MAJORITY, early=False) is None


def test_a_decided_vote_waits_for_its_quorum() -> None:
    votes = tally()
    votes.record(0, sure(1), 0.1)
    votes.record(1, sure(1), 0.1)
    assert votes.verdict(ALL, Quorum(3, 0.0), early=True) is None


def test_a_decided_vote_waits_for_who_is_required() -> None:
    votes = tally()
    votes.record(0, sure(1), 0.1)
    votes.record(1, sure(1), 0.1)
    assert votes.verdict(ALL, Quorum(2, 2.0, frozenset([2])), early=True) is None


def test_everyone_answered_is_complete_and_a_failure_makes_it_partial() -> None:
    votes = tally()
    votes.record(0, sure(1), 0.1)
    votes.record(1, sure(0), 0.1)
    votes.record(2, sure(1), 0.1)
    assert votes.verdict(ALL, MAJORITY, early=True) == "complete"
    lame = tally()
    lame.record(0, sure(1), 0.1)
    lame.record(1, sure(0), 0.1)
    lame.lose(2, "failed", "connect", 0.1)
    assert lame.verdict(ALL, MAJORITY, early=True) == "partial"


@pytest.mark.parametrize(
    ("quorum", "lost"), [(Quorum(2, 0.0), [0, 1]), (Quorum(1, 2.0), [0, 1]), (Quorum(1, 1.0, frozenset([2])), [2])]
)
def test_a_quorum_out_of_reach_is_known_at_once(quorum: Quorum, lost: list[int]) -> None:
    votes = tally()
    for member in lost[:-1]:
        votes.lose(member, "failed", "connect", 0.1)
        assert votes.verdict(ALL, quorum, early=True) is None
    votes.lose(lost[-1], "failed", "connect", 0.1)
    assert votes.verdict(ALL, quorum, early=True) == "impossible"


def test_who_is_on_trial_is_waited_for_only_where_the_quorum_needs_it() -> None:
    votes = tally()
    votes.on_trial = frozenset([2])
    votes.record(0, sure(1), 0.1)
    assert votes.verdict(ALL, MAJORITY, early=False) is None
    votes.record(1, sure(1), 0.1)
    assert votes.verdict(ALL, MAJORITY, early=False) == "partial"
    assert votes.verdict(ALL, Quorum(3, 0.0), early=False) is None
    votes.record(2, sure(1), 0.1)
    assert votes.verdict(ALL, MAJORITY, early=False) == "complete"


def test_nobody_counts_on_who_is_on_trial() -> None:
    votes = tally()
    assert votes.can_lose({0}, MAJORITY)
    votes.on_trial = frozenset([2])
    assert not votes.can_lose({0}, MAJORITY)


@pytest.mark.parametrize(("late", "reason"), [(True, "timeout"), (False, "breaker_open")])
def test_who_is_on_trial_and_out_was_left_alone_unless_the_deadline_has_come(late: bool, reason: str) -> None:
    votes = tally()
    votes.on_trial = frozenset([2])
    votes.record(0, sure(1), 0.1)
    frozen = votes.freeze(ALL, "partial", elapsed=0.5, late=late)
    assert [voice.reason for voice in frozen.voices] == ["", "timeout" if late else "", reason]


@pytest.mark.parametrize(("late", "fate"), [(True, "late"), (False, "unneeded")])
def test_who_is_still_out_is_late_at_the_deadline_and_unneeded_before(late: bool, fate: str) -> None:
    votes = tally()
    votes.record(0, sure(1), 0.1)
    votes.record(1, sure(1), 0.2)
    verdict: Verdict = "partial" if late else "decided"
    frozen = votes.freeze(ALL, verdict, elapsed=0.5, late=late)
    assert [voice.fate for voice in frozen.voices] == ["ok", "ok", fate]
    assert [voice.elapsed for voice in frozen.voices] == [0.1, 0.2, 0.5]


def test_what_comes_after_the_freeze_changes_nothing() -> None:
    votes = tally(rule="soft")
    votes.record(0, np.array([[0.4, 0.6]]), 0.1)
    frozen = votes.freeze(ALL, "partial", elapsed=0.5, late=True)
    assert frozen.combined is not None
    before = frozen.combined.copy()
    votes.record(1, np.array([[0.9, 0.1]]), 0.6)
    assert (frozen.combined == before).all()
    assert [voice.fate for voice in frozen.voices] == ["ok", "late", "late"]


def test_each_caller_is_judged_by_its_own_rows() -> None:
    votes = tally(rows=2)
    votes.record(0, np.array([[0.0, 1.0], [1.0, 0.0]]), 0.1)
    votes.record(1, np.array([[0.0, 1.0], [0.0, 1.0]]), 0.1)
    assert votes.verdict(slice(0, 1), MAJORITY, early=True) == "decided"
    assert votes.verdict(slice(1, 2), MAJORITY, early=True) is None
    assert votes.verdict(slice(0, 2), MAJORITY, early=True) is None


@given(
    st.sampled_from(["hard", "soft", "log_pool"]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9), st.booleans()), min_size=1, max_size=5),
)
def test_the_answer_depends_on_the_set_that_answered_not_on_the_order(
    rule: str, members: list[tuple[float, int, bool]]
) -> None:
    weights = integer_weights([float(weight) for _, weight, _ in members])
    here = [index for index, (_, _, answers) in enumerate(members) if answers] or [0]
    answers = []
    for order in permutations(here):
        votes = Tally(make_rule(rule, "classification", 2), weights, rows=1, classes=2)
        for member in order:
            p = members[member][0]
            votes.record(member, np.array([[p, 1 - p]]), 0.1)
        combined = votes.freeze(ALL, "partial", elapsed=1, late=True).combined
        assert combined is not None
        answers.append(combined.tobytes())
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("weights", "count", "share", "expected"),
    [
        ([1, 1, 1, 1, 1], None, None, (3, 3.0)),
        ([1, 1, 1, 1], None, None, (3, 3.0)),
        ([1, 1, 4], None, None, (2, 4.0)),
        ([1, 1, 1, 1, 1], 2, None, (2, 0.0)),
        ([1, 1, 1, 1, 1], 2, 0.6, (2, 3.0)),
        ([1, 1, 1, 1, 1], None, 0.6, (3, 3.0)),
    ],
)
def test_the_default_quorum_is_a_strict_majority_of_both(
    weights: list[int], count: int | None, share: float | None, expected: tuple[int, float]
) -> None:
    quorum = quorum_of(np.array(weights, float), count, share)
    assert quorum.count == expected[0]
    assert quorum.weight == pytest.approx(expected[1])


def test_the_share_of_exactly_as_much_weight_is_enough() -> None:
    weights = np.ones(5)
    votes = Tally(make_rule("hard", "classification", 2), weights, rows=1, classes=2)
    for member in range(3):
        votes.record(member, sure(1), 0.1)
    assert votes.at_the_deadline(quorum_of(weights, None, 0.6)) == "partial"


def test_who_can_be_lost_depends_on_who_has_answered_and_who_is_lost_already() -> None:
    votes = tally(members=5)
    quorum = Quorum(3, 3.0)
    assert votes.can_lose({0, 1}, quorum)
    assert not votes.can_lose({0, 1, 2}, quorum)
    votes.lose(4, "failed", "connect", 0.1)
    assert not votes.can_lose({0, 1}, quorum)
    for member in (1, 2, 3):
        votes.record(member, sure(1), 0.1)
    assert votes.can_lose({0}, quorum)
    assert not votes.can_lose({0}, Quorum(3, 3.0, frozenset([0])))

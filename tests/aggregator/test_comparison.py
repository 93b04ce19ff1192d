"""What is compared of a shadow: against plain loops, and against ensembles that have it as a member."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace

from aggregator.comparison import compared, revote_of
from aggregator.rules import make_rule
from aggregator.stages import Sureness
from models.deadline import deadline_after
from models.types import PROBABILITIES, Array, MemberReport, Parameters, Report
from tests.aggregator.test_cascade import cascade
from tests.aggregator.test_ensemble import vote
from tests.fakes import Fake, ones, sure

LABELS = ("no", "yes")
SOFT = make_rule("soft", "classification", 2)
ALL = Parameters(early=False)


def test_labels_agree_or_differ_and_may_change_the_answer() -> None:
    answer = np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    said = np.array([[0.8, 0.2], [0.1, 0.9], [0.0, 1.0]])
    instead = np.array([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]])
    same, differs, changes = compared(answer, said, instead, LABELS, tolerance=0)
    assert (same.answered, same.said, same.agrees, same.changes) == ("no", "no", True, False)
    assert (differs.said, differs.instead, differs.agrees, differs.changes) == ("yes", "no", False, False)
    assert (changes.instead, changes.changes) == ("yes", True)
    assert [one.difference for one in (same, differs, changes)] == pytest.approx([0.1, 0.5, 0.6])


@pytest.mark.parametrize(
    ("answer", "said", "difference"),
    [(100.0, 101.0, 1 / 101), (0.0, 0.0, 0.0), (0.0, 5.0, 1.0), (-1.0, 1.0, 2.0), (1e308, -1e308, 2.0)],
)
def test_numbers_differ_by_a_share_of_the_larger(answer: float, said: float, difference: float) -> None:
    left, own = np.array([[answer]]), np.array([[said]])
    (row,) = compared(left, own, left, (), tolerance=0.01)
    assert (row.answered, row.said, row.changes) == (answer, said, False)
    assert row.difference == pytest.approx(difference)
    assert row.agrees == (difference <= 0.01)


def votes() -> st.SearchStrategy[Array]:
    raw = arrays(np.float64, (4, 3, 2), elements=st.floats(0.01, 1))
    return raw.map(lambda said: said / said.sum(axis=2, keepdims=True))


@given(votes(), st.sampled_from(["hard", "soft", "log_pool", "max", "rank"]), st.sampled_from([0.5, 1.0, 3.0]))
async def test_the_answer_with_one_more_member_is_that_of_an_ensemble_with_it(
    said: Array, rule: str, weight: float
) -> None:
    a, b, c, shadow = map(Fake, said)
    request = replace(ones(3), parameters=ALL)
    without = vote(rule, a=a, b=b, c=c, weights={"a": 2.0})
    whole = vote(rule, a=a, b=b, c=c, shadow=shadow, weights={"a": 2.0, "shadow": weight})
    report = (await without(request, deadline_after(1))).report
    revote = revote_of(make_rule(rule, "classification", 2), {"a": 2.0, "b": 1.0, "c": 1.0}, weight)
    expected = (await whole(request, deadline_after(1))).outputs[PROBABILITIES]
    assert revote(report, said[3]).tolist() == expected.tolist()


async def test_members_that_did_not_answer_have_no_vote_beside_it() -> None:
    ensemble = vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(0), delay=9))
    report = (await ensemble(ones(), deadline_after(1))).report
    revote = revote_of(SOFT, {"a": 1.0, "b": 1.0, "c": 1.0}, 1.0)
    assert revote(report, sure(0)).tolist() == [[1 / 3, 2 / 3]]


async def test_votes_of_a_cascade_count_for_the_rows_that_they_were_cast_for() -> None:
    cheap, dear = Fake([[0.0, 1.0], [0.5, 0.5]]), Fake(sure(1))
    whole = cascade({"a": cheap}, {"b": dear}, sureness=Sureness(1.0, 0.9))
    report = (await whole(ones(2), deadline_after(1))).report
    revote = revote_of(SOFT, {"a": 1.0, "b": 1.0}, 1.0)
    assert revote(report, sure(0, rows=2)).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_votes_of_a_stage_that_did_not_decide_do_not_count() -> None:
    scores = {"a": sure(1), "b": sure(0)}
    members = {
        name: MemberReport("ok", 1.0, "1", scores=one, stage=at) for at, (name, one) in enumerate(scores.items(), 1)
    }
    report = Report(members=members, stages=np.array([1]))
    assert revote_of(SOFT, {"a": 1.0, "b": 1.0}, 1.0)(report, sure(1)).tolist() == [[0, 1]]

import numpy as np
import pytest
from msgspec.structs import replace

from backends.histogram import Histogram
from backends.outcomes import Outcomes, PartOutcomes
from models.types import Fate, MemberReport, PartReport, Report, Status


def report(status: Status, **members: tuple[Fate, float]) -> Report:
    reports = {name: MemberReport(fate, 1.0, "1", elapsed=elapsed) for name, (fate, elapsed) in members.items()}
    return Report(status, members=reports, agreement=np.array([1.0, 0.6]))


def test_a_value_at_a_bound_is_under_it() -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.add_all(np.array([0.5, 1.0, 1.5, 2.0, 9.0]))
    assert histogram.cumulative() == [2, 4, 5]
    assert histogram.sum == 14.0


def test_answers_and_fates_are_counted() -> None:
    outcomes = Outcomes()
    outcomes.record(report("complete", a=("ok", 0.1), b=("ok", 0.2)), 0.2, answered=True)
    outcomes.record(report("partial", a=("ok", 0.1), b=("late", 0.9)), 0.9, answered=True)
    outcomes.record(report("partial", a=("late", 0.9), b=("late", 0.9)), 0.9, answered=False)
    assert outcomes.statuses == {"complete": 1, "partial": 1, "no_quorum": 1}
    assert outcomes.fates == {("a", "ok", ""): 2, ("b", "ok", ""): 1, ("b", "late", ""): 2, ("a", "late", ""): 1}
    assert outcomes.agreement.cumulative()[-1] == 6


def test_time_saved_is_what_those_let_go_usually_take() -> None:
    outcomes = Outcomes()
    outcomes.record(report("complete", a=("ok", 0.1), b=("ok", 2.0)), 2.0, answered=True)
    assert outcomes.saved == 0
    outcomes.record(report("decided", a=("ok", 0.1), b=("unneeded", 0.5)), 0.5, answered=True)
    assert outcomes.saved == pytest.approx(1.5)


def test_nothing_is_saved_where_nobody_knows_what_it_would_have_taken() -> None:
    outcomes = Outcomes()
    outcomes.record(report("decided", a=("ok", 0.1), b=("unneeded", 0.5)), 0.5, answered=True)
    assert outcomes.saved == 0


def test_a_cascade_is_counted_by_stage_and_saves_what_the_dear_usually_take() -> None:
    outcomes = Outcomes()
    both = replace(report("complete", cheap=("ok", 0.1), dear=("ok", 2.0)), stages=np.array([1, 2, 1]))
    outcomes.record(both, 2.1, answered=True)
    assert outcomes.saved == 0
    outcomes.record(replace(report("complete", cheap=("ok", 0.1)), stages=np.array([1])), 0.1, answered=True)
    assert outcomes.saved == 0
    unneeded = replace(report("complete", cheap=("ok", 0.1), dear=("unneeded", 0.0)), stages=np.array([1]))
    outcomes.record(unneeded, 0.5, answered=True)
    assert outcomes.saved == pytest.approx(1.5)
    assert (outcomes.stages, outcomes.stage_rows) == ({1: 2, 2: 1}, {1: 4, 2: 1})


def test_what_became_of_parts_is_counted_whether_there_was_an_answer_or_not() -> None:
    outcomes = PartOutcomes()
    outcomes.record(Report(parts=(PartReport("a", "1"), PartReport("b", "1"))), 0.1, answered=True)
    outcomes.record(Report(parts=(PartReport("a", "1", "late", "timeout"),)), 0.1, answered=False)
    assert outcomes.fates == {("a", "ok", ""): 1, ("b", "ok", ""): 1, ("a", "late", "timeout"): 1}

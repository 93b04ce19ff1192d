"""What a report says of the time that its answer took."""

import pytest

from models.types import Fate, MemberReport, Report


def said(fate: Fate, elapsed: float | None, after: float = 0.0, inner: Report | None = None) -> MemberReport:
    return MemberReport(fate, 1.0, "1", elapsed=elapsed, after=after, report=inner)


def report(*members: MemberReport) -> Report:
    return Report(members={str(at): one for at, one in enumerate(members)})


HALF_IN_VAIN = report(said("ok", 0.05), said("late", 0.1))


@pytest.mark.parametrize(
    ("members", "seconds"),
    [
        ([], 0),
        ([said("ok", 0.01), said("ok", 0.1)], 0),
        ([said("ok", 0.01), said("late", 0.1)], 0.09),
        ([said("ok", 0.1), said("late", 0.02)], 0),  # it had a deadline of its own
        ([said("failed", 0.04), said("late", 0.1), said("late", 0.1)], 0.06),
        ([said("ok", 0.01), said("skipped", None), said("late", 0.1)], 0.09),
        ([said("unneeded", 0.1), said("late", 0.1)], 0),
        ([said("ok", 0.02), said("ok", 0.01, after=0.02), said("late", 0.06, after=0.02)], 0.05),  # the second stage
        ([said("ok", 0.01), said("ok", 0.1, inner=HALF_IN_VAIN)], 0.05),
        ([said("ok", 0.08), said("ok", 0.1, inner=HALF_IN_VAIN)], 0.02),
        ([said("late", 0.1), said("ok", 0.1, inner=HALF_IN_VAIN)], 0.05),
    ],
)
def test_what_was_waited_for_in_vain_is_the_time_after_the_last_who_was_not_late(
    members: list[MemberReport], seconds: float
) -> None:
    assert report(*members).in_vain == pytest.approx(seconds)

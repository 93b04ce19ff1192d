"""One failure within another."""

import pytest

from models.errors import BackendError, ConnectFailed, InputRejected, InvalidAnswer, NoQuorum
from models.types import PartReport, Report

PARTS = Report(parts=(PartReport("prepare", "1"),))


@pytest.mark.parametrize("error", [ConnectFailed("refused"), InvalidAnswer("NaN"), InputRejected("no")])
def test_the_failure_of_a_part_is_the_same_failure_of_the_whole_with_its_name(error: BackendError) -> None:
    outer = error.within("step 'prepare'", PARTS)
    assert (type(outer), str(outer), outer.report) == (type(error), f"step 'prepare': {error}", PARTS)
    assert (outer.fate, outer.reason, outer.retryable, outer.ill) == (
        error.fate,
        error.reason,
        error.retryable,
        error.ill,
    )
    assert error.report is None


@pytest.mark.parametrize(("late", "rejected"), [(True, False), (False, True), (False, False)])
def test_a_missed_quorum_stays_what_it_was(late: bool, rejected: bool) -> None:
    error = NoQuorum("1 of 3", Report(), late=late, rejected=rejected)
    outer = error.within("step 'vote'", PARTS).within("branch 'full'", PARTS)
    assert isinstance(outer, NoQuorum)
    assert (str(outer), outer.fate, outer.reason) == ("branch 'full': step 'vote': 1 of 3", error.fate, error.reason)

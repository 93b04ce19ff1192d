import msgspec
import numpy as np
import pytest

from models.types import MemberReport, PartReport, Report
from server.journal import NUMBERS, ROWS, Entry, Journal


def entry(request_id: str = "one", *, rows: int = 1, classes: int = 2, members: int = 3, deep: bool = False) -> Entry:
    said = np.ones((rows, classes))
    nested = Report(members={"in": MemberReport("ok", 1.0, "1", scores=said.copy())}) if deep else None
    report = Report(
        members={str(at): MemberReport("ok", 1.0, "1", scores=said.copy(), report=nested) for at in range(members)},
        agreement=np.ones(rows),
        entropy=np.ones(rows),
    )
    return Entry(request_id, 0.0, "m", 200, 0.0, 0.0, rows, report, said.copy())


def numbers(one: Entry) -> int:
    """How many numbers an entry keeps alive, views included."""

    def of(report: Report) -> int:
        own = sum(alive(said.scores) for said in report.members.values())
        return own + sum(of(said.report) for said in report.members.values() if said.report)

    def alive(array: np.ndarray | None) -> int:
        if array is None:
            return 0
        return array.size if array.base is None else array.base.size

    assert one.report is not None
    return alive(one.answer) + of(one.report)


def test_only_the_last_requests_are_kept() -> None:
    journal = Journal(3)
    for name in "abcd":
        journal.write(entry(name))
    assert [one.id for one in journal.latest(9, lambda _: True)] == ["d", "c", "b"]
    assert len(journal) == 3
    assert journal.find("a") is None
    assert journal.find("b") is not None


def test_of_two_requests_with_one_id_the_newer_is_found() -> None:
    journal = Journal()
    for rows in (1, 2):
        journal.write(entry("same", rows=rows))
    found = journal.find("same")
    assert found is not None
    assert found.rows == 2


def test_the_newest_that_are_wanted_are_shown_and_no_more_than_asked_for() -> None:
    journal = Journal()
    for at in range(10):
        journal.write(entry(str(at)))
    assert [one.id for one in journal.latest(2, lambda one: int(one.id) % 3 == 0)] == ["9", "6"]


def test_a_small_request_is_kept_as_it_is() -> None:
    journal, small = Journal(), entry(rows=ROWS)
    journal.write(small)
    assert journal.find("one") is small


@pytest.mark.parametrize("deep", [False, True])
def test_of_many_rows_only_the_first_are_kept_alive(deep: bool) -> None:
    journal = Journal()
    journal.write(entry(rows=10_000, members=2, deep=deep))
    kept = journal.find("one")
    assert kept is not None
    assert kept.rows == 10_000
    assert numbers(kept) == ROWS * 2 * (5 if deep else 3)
    assert kept.report is not None
    assert kept.report.agreement is not None
    assert len(kept.report.agreement) == ROWS


def test_of_an_answer_that_nobody_gave_only_the_first_rows_are_kept() -> None:
    journal, report = Journal(), Report("fallback", agreement=np.zeros(500), disagreed=tuple(range(500)))
    journal.write(Entry("one", 0.0, "m", 200, 0.0, 0.0, 500, report))
    kept = journal.find("one")
    assert kept is not None
    assert kept.report is not None
    assert kept.report.agreement is not None
    assert (len(kept.report.agreement), kept.report.disagreed) == (ROWS, (0, 1, 2))


def test_with_many_labels_fewer_rows_are_kept_and_in_the_end_none() -> None:
    journal = Journal()
    for classes, rows in ((1000, 2), (2000, 1), (10_000, 0)):
        journal.write(entry(str(classes), rows=5, classes=classes))
        kept = journal.find(str(classes))
        assert kept is not None
        assert kept.answer is not None
        assert len(kept.answer) == rows
        assert numbers(kept) <= NUMBERS


def test_what_members_of_members_said_counts_too() -> None:
    journal = Journal()
    journal.write(entry(rows=5, classes=1000, members=2, deep=True))
    kept = journal.find("one")
    assert kept is not None
    assert numbers(kept) == 1000 * 5


def test_a_view_of_something_large_does_not_keep_it() -> None:
    journal, large = Journal(), np.ones((10_000, 2))
    journal.write(Entry("one", 0.0, "m", 200, 0.0, 0.0, 1, None, large[:1]))
    kept = journal.find("one")
    assert kept is not None
    assert kept.answer is not None
    assert kept.answer.base is None


def test_what_parts_say_is_kept_for_the_first_rows_alone() -> None:
    journal, one = Journal(), entry(rows=1000, deep=True)
    assert one.report is not None
    parts = (PartReport("a", "1", rows=tuple(range(1, 1000, 2)), report=one.report), PartReport("b", "1"))
    journal.write(msgspec.structs.replace(one, report=Report(parts=parts)))
    kept = next(journal.latest(1, lambda _: True)).report
    assert kept is not None
    part = kept.parts[0]
    assert (part.rows, kept.parts[1].rows) == ((1,), None)
    assert part.report is not None
    scores = part.report.members["0"].scores
    assert scores is not None
    assert (len(scores), scores.base) == (1, None)

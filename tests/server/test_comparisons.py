"""What is shown of shadows."""

from backends.comparisons import Comparisons, RowComparison
from models.types import MemberReport, Report
from server.comparisons import measures_of, state_of
from server.journal import Entry
from server.means import with_means
from server.timeline import timeline
from tests.fakes import YES_NO, sure

SAME = RowComparison("yes", "yes", "yes", 0.1, True, False)
OTHER = RowComparison("yes", "no", "no", 0.5, False, True)


def counted() -> Comparisons:
    comparisons = Comparisons()
    comparisons.begin()
    comparisons.compare("first", [SAME, OTHER])
    comparisons.end("ok", "")
    comparisons.let_go()
    comparisons.begin()
    comparisons.end("late", "timeout")
    comparisons.dropped = 3
    return comparisons


def test_people_see_counts_shares_and_the_last_disagreements_without_inputs() -> None:
    assert with_means(state_of(counted())) == {
        "asked": 2,
        "under_way": 1,
        "dropped": 3,
        "fates": {"ok": 1, "late: timeout": 1},
        "rows": 2,
        "agreed_rows": 1,
        "changed_rows": 1,
        "agreement": 0.5,
        "would_change": 0.5,
        "mean_difference": 0.3,
        "last_disagreements": [
            {"request_id": "first", "row": 1, "answered": "yes", "said": "no", "with_it": "no", "difference": 0.5}
        ],
    }
    assert with_means(state_of(Comparisons()))["agreement"] is None


def test_few_disagreements_are_remembered_the_newest_first() -> None:
    comparisons = Comparisons()
    for number in range(100):
        comparisons.compare(str(number), [OTHER])
    shown = state_of(comparisons)["last_disagreements"]
    assert [one["request_id"] for one in shown] == [str(number) for number in range(99, 79, -1)]


def test_every_count_is_a_figure_of_its_candidate() -> None:
    figures = {(one.name, *one.labels.values()): one.value for one in measures_of({"new": counted()})}
    assert figures == {
        ("shadow_calls", "new", "ok", ""): 1,
        ("shadow_calls", "new", "late", "timeout"): 1,
        ("shadow_dropped", "new"): 3,
        ("shadow_in_flight", "new"): 1,
        ("shadow_rows", "new"): 2,
        ("shadow_agreed_rows", "new"): 1,
        ("shadow_changed_rows", "new"): 1,
        ("shadow_difference", "new"): 0.6,
    }


def test_a_timeline_shows_what_shadows_have_said_by_now() -> None:
    heard: dict[str, MemberReport] = {}
    entry = Entry("the-id", 1e9, "m", 200, 0.0, 1.0, 1, Report(shadows=heard), sure(1), YES_NO.labels)
    assert "shadows" not in timeline(entry)
    heard["new"] = MemberReport("ok", 0.0, "7", elapsed=0.002, scores=sure(0))
    heard["dead"] = MemberReport("failed", 0.0, "1", "connect", 0.001)
    new, dead = timeline(entry)["shadows"]
    assert (new["said"]["predictions"], new["version"], new["duration_ms"]) == (["no"], "7", 2.0)
    assert (dead["fate"], dead["reason"], "said" in dead) == ("failed", "connect", False)

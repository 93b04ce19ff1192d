from benchmarks.claims import Bound, Claim
from benchmarks.spread import Spread
from benchmarks.table import claims_table, shown, table


def test_columns_of_figures_are_aligned_to_the_right() -> None:
    assert table(("", "rows/s"), [("a", "7"), ("longer", "12,345")]).splitlines() == [
        "|        | rows/s |",
        "| ------ | -----: |",
        "| a      |      7 |",
        "| longer | 12,345 |",
    ]


def line(claim: Claim) -> list[str]:
    return [cell.strip() for cell in claims_table([claim]).splitlines()[2].strip("|").split("|")]


def test_a_claim_shows_median_spread_target_and_mark() -> None:
    claim = Claim("p50", Spread((9.0, 10.0, 10.5)), Bound(most=12), " ms")
    assert line(claim) == ["p50", "10.0 ms", "15%", "at most 12 ms", "met"]


def test_what_was_not_measured_says_how_often_it_held() -> None:
    claim = Claim("p50", Spread((1.0, 10.0, 20.0)), Bound(least=5, goal=True))
    assert line(claim) == ["p50", "10.0", "190%", "goal: at least 5", "**not measured** (held in 2 of 3)"]


def test_what_is_counted_or_measured_once_shows_no_spread() -> None:
    errors = Claim("errors", Spread((0.0, 0.0, 7.0)), Bound(most=0), exact=True)
    assert line(errors)[1:] == ["7.00", "", "at most 0", "**missed**"]
    assert line(Claim("size", Spread((9.0,))))[1:] == ["9.00", "", "", ""]


def test_figures_have_three_digits_that_count_and_no_exponent() -> None:
    assert [shown(value) for value in (0, 7, 0.0123456, 0.5, 3.5, 12.34, 123.4, 1234567.0)] == [
        "0", "7", "0.0123", "0.5", "3.50", "12.3", "123", "1,234,567",
    ]  # fmt: skip


def test_nearly_all_is_not_all() -> None:
    assert [shown(value) for value in (99.94, 99.99, 99.9996, 100.0)] == ["99.9", "99.99", "99.9996", "100"]

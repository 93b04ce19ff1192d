import pytest

from benchmarks.claims import Bound, Claim
from benchmarks.spread import Spread


def claim(*values: float, bound: Bound | None, exact: bool = False) -> Claim:
    return Claim("what", Spread(values), bound, exact=exact)


@pytest.mark.parametrize(
    ("bound", "mark"),
    [
        (Bound(most=10), "met"),
        (Bound(most=9.9), "missed"),
        (Bound(least=10), "met"),
        (Bound(least=10.1), "missed"),
        (Bound(most=10, goal=True), "goal met"),
        (Bound(least=11, goal=True), "goal missed"),
        (None, ""),
    ],
)
def test_the_median_decides(bound: Bound | None, mark: str) -> None:
    assert claim(9.5, 10, 10.5, bound=bound).mark == mark


def test_what_spreads_too_far_was_not_measured_whatever_the_median_says() -> None:
    noisy = claim(1, 2, 3, bound=Bound(most=2))
    assert noisy.mark == "not measured"
    assert noisy.within == 2


def test_what_is_counted_must_hold_every_time_and_has_no_noise() -> None:
    assert claim(0, 0, 0, bound=Bound(most=0), exact=True).mark == "met"
    seven = claim(0, 0, 7, bound=Bound(most=0), exact=True)
    assert (seven.mark, seven.value) == ("missed", 7)
    assert claim(5, 3, 4, bound=Bound(least=3), exact=True).value == 3

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.histogram import quantile, uncorrected


def corrected(counts: dict[int, int], expected: int) -> dict[int, int]:
    """`stats_correct` of wrk 4.1, word for word."""
    data = Counter(counts)
    most = max(data)
    n = expected * 2
    while n <= most:
        count, m = data[n], n - expected
        while count and m > expected:
            data[m] += count
            m -= expected
        n += 1
    return {latency: count for latency, count in data.items() if count}


@given(
    st.dictionaries(st.integers(1, 300), st.integers(1, 5), min_size=1),
    st.integers(1, 60),
)
def test_what_wrk_adds_is_taken_back_exactly(counts: dict[int, int], interval: int) -> None:
    assert uncorrected(corrected(counts, interval), interval) == counts


def test_wrk_makes_up_answers_behind_a_straggler() -> None:
    true = {10: 9, 100: 1}
    assert sum(corrected(true, 19).values()) > 10
    assert uncorrected(corrected(true, 19), 19) == true


def test_quantiles_are_by_the_nearest_rank() -> None:
    counts = dict.fromkeys(range(1, 101), 1)
    assert [quantile(counts, share) for share in (0.5, 0.9, 0.99, 0.999, 1.0)] == [50, 90, 99, 100, 100]
    assert quantile({7: 3}, 0.5) == 7
    assert quantile({7: 99, 500: 1}, 0.99) == 7


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no answer"):
        quantile({}, 0.5)

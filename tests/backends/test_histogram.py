"""Values in buckets, one by one and many at once."""

import numpy as np
import pytest

from backends.histogram import MANY, SHARES, Histogram


@pytest.mark.parametrize("count", [0, 1, MANY - 1, MANY, 1000])
def test_many_values_are_counted_as_each_of_them_would_be(count: int) -> None:
    values = np.resize(np.array([0.0, 0.5, np.nextafter(0.5, 1), 0.77, 0.95, 1.0, 3.0]), count)
    one_by_one, at_once = Histogram(SHARES), Histogram(SHARES)
    for histogram in (one_by_one, at_once):
        histogram.add(0.6)
    for value in values.tolist():
        one_by_one.add(value)
    at_once.add_all(values)
    assert at_once.counts == one_by_one.counts
    assert at_once.sum == pytest.approx(one_by_one.sum)

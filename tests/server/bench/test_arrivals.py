import itertools

import pytest

from server.bench.arrivals import constant, poisson


def test_a_constant_rate_does_not_drift() -> None:
    moments = list(constant(3, 1000))
    assert len(moments) == 3000
    assert moments[:3] == [0, 1 / 3, 2 / 3]
    assert moments[-1] == 2999 / 3


def test_even_a_short_run_sends_something() -> None:
    assert list(constant(1, 0.1)) == [0]


def test_independent_arrivals_keep_the_rate_on_average_and_are_the_same_at_each_run() -> None:
    moments = list(poisson(100, 100))
    assert len(moments) == pytest.approx(10_000, rel=0.05)
    assert moments == sorted(moments)
    assert moments[-1] < 100
    assert moments == list(poisson(100, 100))
    assert moments != list(poisson(100, 100, seed=1))
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert sum(gap > 1 / 100 for gap in gaps) / len(gaps) == pytest.approx(0.3679, abs=0.03)  # exp(-1)

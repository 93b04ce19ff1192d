import pytest

from backends.cost import Cost


def test_nothing_is_known_before_the_first_call() -> None:
    assert Cost().predict(1) is None
    assert Cost().rows_within(0.05, otherwise=7) == 7


def test_a_line_is_learned_exactly() -> None:
    cost = Cost()
    for rows in (1, 10, 100, 5, 50):
        cost.learn(rows, 0.002 + 0.001 * rows)
    assert cost.predict(20) == pytest.approx(0.022)
    assert cost.rows_within(0.05, otherwise=7) in (47, 48)


def test_from_one_size_alone_larger_calls_are_thought_to_be_in_proportion() -> None:
    cost = Cost()
    for _ in range(3):
        cost.learn(1, 0.001)
    assert cost.predict(100) == pytest.approx(0.1)


def test_an_old_outlier_fades() -> None:
    cost = Cost(memory=10)
    cost.learn(1, 30.0)
    for _ in range(200):
        cost.learn(1, 0.001)
    assert cost.predict(1) == pytest.approx(0.001, rel=0.01)


def test_no_size_is_predicted_to_take_less_than_nothing() -> None:
    cost = Cost()
    for rows, seconds in ((1, 0.010), (1000, 0.001), (1, 0.012), (1000, 0.001)):
        cost.learn(rows, seconds)
    predicted = cost.predict(2000)
    assert predicted is not None
    assert predicted >= 0
    assert cost.rows_within(0.0001, otherwise=7) >= 1

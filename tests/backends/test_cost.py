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


def learned(*calls: tuple[int, float]) -> Cost:
    cost = Cost()
    for rows, seconds in calls:
        cost.learn(rows, seconds)
    return cost


def test_a_call_that_was_late_raises_all_expectations() -> None:
    cost = learned((1, 0.011), (11, 0.021))
    cost.late(11, 0.21)
    assert cost.line() == pytest.approx((0.01, 0.1))
    cost.late(11, 0.42)
    assert cost.line() == pytest.approx((0.02, 0.2))


def test_one_answer_says_how_it_really_is() -> None:
    cost = learned((1, 0.011), (11, 0.021))
    cost.late(11, 21.0)
    cost.learn(11, 0.042)
    assert cost.predict(11) == pytest.approx(0.042)
    cost.learn(11, 0.021)
    assert cost.predict(11) == pytest.approx(0.028, rel=0.02)  # of three calls one was slow


def test_an_answer_does_not_make_expectations_worse_than_lateness_did() -> None:
    cost, same = learned((1, 0.011), (11, 0.021)), learned((1, 0.011), (11, 0.021))
    cost.late(11, 0.042)
    for one in (cost, same):
        one.learn(11, 9.0)
    assert cost.predict(11) == pytest.approx(2 * (same.predict(11) or 0))


def test_that_a_call_with_too_little_time_was_late_is_no_news() -> None:
    cost = learned((1, 0.011), (11, 0.021))
    before = cost.line()
    cost.late(11, 0.021)
    cost.late(11, 0.001)
    assert cost.line() == before


def test_of_what_has_never_answered_nothing_is_known() -> None:
    cost = Cost()
    cost.late(5, 1.0)
    assert cost.line() is None


def test_what_takes_no_time_at_all_can_be_late() -> None:
    cost = learned((1, 0.0))
    cost.late(1, 1.0)
    cost.learn(1, 0.0)
    assert cost.line() == (0.0, 0.0)

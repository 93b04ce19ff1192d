from backends.budget import AT_ONCE, CALM_SECONDS, EARNED, HEDGED, MOST, RetryBudget


def spent(now: float = 0.0) -> RetryBudget:
    """A budget with nothing left at `now`."""
    budget = RetryBudget()
    while budget.pay(now):
        pass
    return budget


def paid(budget: RetryBudget, now: float) -> int:
    """How many second tries there are at `now`."""
    count = 0
    while budget.pay(now):
        count += 1
    return count


def test_each_answer_earns_a_part_of_a_second_try() -> None:
    budget = spent()
    for _ in range(round(3 / EARNED)):
        budget.earn()
    assert paid(budget, 0) == 3


def test_there_is_one_each_second_for_who_has_few_callers() -> None:
    budget = spent()
    assert paid(budget, 0.9) == 0
    assert paid(budget, 1.0) == 1
    assert paid(budget, 4.0) == 3


def test_what_nobody_used_does_not_add_up() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()
    assert paid(budget, 1e6) == MOST


def test_a_failure_costs_one_whether_it_is_tried_again_or_not() -> None:
    budget = RetryBudget()
    assert [budget.pay(0) for _ in range(int(MOST) + 2)] == [True] * int(MOST) + [False] * 2


def test_so_many_may_be_under_way() -> None:
    budget = RetryBudget()
    budget.under_way = AT_ONCE - 1
    assert budget.is_open(0)
    budget.under_way = AT_ONCE
    assert not budget.is_open(0)


def test_while_calls_are_refused_here_there_are_none() -> None:
    budget = RetryBudget()
    budget.refuse(5)
    assert not budget.is_open(5 + CALM_SECONDS / 2)
    assert budget.is_open(5 + CALM_SECONDS)


def test_at_rest_there_are_none_any_more() -> None:
    budget = RetryBudget()
    budget.rest()
    assert not budget.is_open(1e9)


def test_hedges_are_a_small_share_of_the_calls() -> None:
    budget, hedges = RetryBudget(), 0
    for call in range(10_000):
        budget.earn_hedge()
        hedges += budget.pay_hedge(call)
    assert hedges == round(10_000 * HEDGED)


def test_a_hedge_is_a_second_try_too() -> None:
    budget = spent()
    for _ in range(1000):
        budget.earn_hedge()
    assert not budget.pay_hedge(0)
    assert budget.pay_hedge(1)
    assert not budget.pay(1)


def test_there_is_no_hedge_while_there_are_no_second_tries() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.earn_hedge()
    budget.refuse(0)
    assert not budget.pay_hedge(0)
    assert budget.pay_hedge(CALM_SECONDS)

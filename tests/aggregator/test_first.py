import itertools

import numpy as np
import pytest

from aggregator.rules import DEFAULT_QUORUM, make_rule
from models.types import Array
from tests.completions import Completions, column, drawn, grid, row

FIRST = make_rule("first", "classification", 2)


def test_the_answer_is_that_of_the_only_one_that_answered() -> None:
    assert FIRST.combine(row([0, 0], [0.3, 0.7], [0, 0]), column(0, 5, 0)).tolist() == [[0.3, 0.7]]
    assert make_rule("first", "regression", 0).combine(row([0], [-2.5]), column(0, 1)).tolist() == [[-2.5]]


def test_of_several_the_first_in_the_configuration_speaks() -> None:
    assert FIRST.combine(row([0, 0], [0.3, 0.7], [0.9, 0.1]), column(0, 1, 9)).tolist() == [[0.3, 0.7]]


def test_nobody_is_uniform_or_0() -> None:
    assert FIRST.combine(row([0, 0]), column(0)).tolist() == [[0.5, 0.5]]
    assert make_rule("first", "regression", 0).combine(row([0]), column(0)).tolist() == [[0]]


def test_each_row_has_its_own_first() -> None:
    scores, weights = np.array([[[0.9, 0.1], [0, 0]], [[0.2, 0.8], [0.2, 0.8]]]), np.array([[1.0, 0.0], [1.0, 1.0]])
    assert FIRST.combine(scores, weights).tolist() == [[0.9, 0.1], [0.2, 0.8]]


def test_the_answer_is_no_view_of_votes_that_are_still_coming() -> None:
    scores: Array = row([0.3, 0.7])
    combined = FIRST.combine(scores, column(1))
    scores[:] = 0
    assert combined.tolist() == [[0.3, 0.7]]


@pytest.mark.parametrize("members", [1, 2, 3])
def test_it_is_settled_exactly_when_someone_has_answered_or_nobody_can(members: int) -> None:
    completions = Completions(grid(2, 2), members)
    for weights in itertools.product((1, 3), repeat=members):
        settled, _, out = completions.judge(FIRST, weights)
        _, votes = completions.now(weights)
        assert (settled == (votes.any(axis=0) | (out == 0))).all()


def test_a_row_is_answered_alone_as_in_a_batch() -> None:
    scores, weights = drawn(np.random.default_rng(0), 4, 9, 2)
    whole = FIRST.combine(scores, weights)
    for at in range(9):
        assert FIRST.combine(scores[:, at : at + 1], weights[:, at : at + 1]).tobytes() == whole[at].tobytes()


def test_one_answer_is_its_quorum() -> None:
    assert DEFAULT_QUORUM == {"first": 1}

"""The votes of a cascade: a row's answer is the rule over all votes that were cast for it, and over nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aggregator.measures import agreement
from aggregator.rules import RULES, make_rule
from aggregator.stages import Stages, Sureness, spread
from models.types import Array
from tests.fakes import sure

NEVER = Sureness(min_agreement=2.0)
ALWAYS = Sureness(min_agreement=0.0, min_confidence=0.0)
SIZES, ROWS, CLASSES = (2, 1, 2), 6, 3
CLASSIFYING = [name for name, rule in RULES.items() if "classification" in rule.tasks]


def stages(rule: str = "soft", sizes: tuple[int, ...] = SIZES, rows: int = ROWS, classes: int = CLASSES) -> Stages:
    return Stages(make_rule(rule, "classification", classes), sizes, np.ones(sum(sizes)), rows=rows, classes=classes)


def two(low: float, high: float) -> Array:
    """One row of two labels, by two members: how probable each thinks the second label."""
    return np.array([[[1 - low, low]], [[1 - high, high]]])


@pytest.mark.parametrize(
    ("said", "sureness", "is_sure"),
    [
        (two(0.8, 0.9), Sureness(min_agreement=1.0, min_confidence=0.8), True),
        (two(0.8, 0.9), Sureness(min_agreement=1.0, min_confidence=0.9), False),
        (two(0.4, 0.9), Sureness(min_agreement=1.0, min_confidence=0.5), False),
        (two(0.4, 0.9), Sureness(min_agreement=0.5, min_confidence=0.5), True),
    ],
)
def test_a_row_is_sure_by_agreement_and_confidence(said: Array, sureness: Sureness, is_sure: bool) -> None:
    combined = make_rule("soft", "classification", 2).combine(said, np.ones((2, 1)))
    assert sureness.of(said, np.ones((2, 1)), combined).tolist() == [is_sure]


def test_numbers_are_sure_by_their_spread_and_one_alone_never_is() -> None:
    scores = np.array([[[1.0], [1.0], [5.0]], [[3.0], [9.0], [7.0]]])
    weights = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert spread(scores, np.ones((2, 3))).tolist() == [1.0, 4.0, 1.0]
    assert Sureness(max_spread=1.0).of(scores, weights, np.ones((3, 1))).tolist() == [True, False, False]


def test_the_spread_is_weighted() -> None:
    scores = np.array([[[0.0]], [[4.0]]])
    assert spread(scores, np.array([[3.0], [1.0]])).tolist() == pytest.approx([np.std([0, 0, 0, 4])])


def test_rows_that_are_sure_are_closed_and_the_others_stay_open() -> None:
    state = stages(rows=3, classes=2)
    for member in (0, 1):
        state.record(member, np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]]))
    state.decide(1, Sureness(min_confidence=0.9))
    assert (state.decided.tolist(), state.open.tolist()) == ([1, 1, 1], [1])
    state.record(2, np.array([[0.2, 0.8]]))
    state.decide(2, NEVER)
    assert (state.decided.tolist(), state.open.tolist()) == ([1, 2, 1], [1])
    assert state.combined[1].tolist() == pytest.approx([0.4, 0.6])
    assert np.isnan(state.scores[2]).tolist() == [[True, True], [False, False], [True, True]]


def test_a_stage_without_a_quorum_leaves_the_answer_of_the_one_before() -> None:
    state = stages(rows=1, classes=2)
    state.record(0, sure(1))
    state.decide(1, NEVER)
    state.record(2, sure(0))  # and no quorum
    assert (state.decided.tolist(), state.combined.tolist(), state.agreement().tolist()) == ([1], [[0, 1]], [1.0])


def test_votes_of_a_stage_without_a_quorum_count_in_the_next() -> None:
    state = stages(rows=1, classes=2)
    state.record(0, sure(1))
    state.record(2, sure(0))
    state.record(3, sure(1))
    state.decide(3, NEVER)
    assert (state.decided.tolist(), state.combined.tolist()) == ([3], [[1 / 3, 2 / 3]])
    assert state.agreement().tolist() == [2 / 3]


@pytest.mark.parametrize(("outstanding", "open_rows"), [(None, [0]), (3.0, [0]), (1.0, [])])
def test_a_row_whose_label_cannot_change_is_closed_where_that_is_asked(
    outstanding: float | None, open_rows: list[int]
) -> None:
    state = stages("hard", rows=1, classes=2)
    for member in (0, 1):
        state.record(member, sure(1))
    state.decide(1, NEVER, outstanding)
    assert state.open.tolist() == open_rows


def distributions() -> st.SearchStrategy[Array]:
    """(m, n, k) that sum to one."""
    raw = arrays(np.float64, (sum(SIZES), ROWS, CLASSES), elements=st.floats(0.01, 1))
    return raw.map(lambda said: said / said.sum(axis=2, keepdims=True))


@given(
    distributions(),
    arrays(np.bool_, (sum(SIZES),)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(CLASSIFYING),
)
def test_each_row_is_answered_by_the_votes_up_to_the_stage_that_decided_it(
    said: Array, answered: Array, met: tuple[bool, ...], share: float, confidence: float, rule: str
) -> None:
    """Row by row, by plain loops."""
    sureness, whole = Sureness(share, confidence), make_rule(rule, "classification", CLASSES)
    state = stages(rule)
    starts = np.cumsum((0, *SIZES)).tolist()
    for number, start in enumerate(starts[:-1], 1):
        for member in range(start, starts[number]):
            if answered[member]:
                state.record(member, said[member, state.open])
        if met[number - 1] and answered[: starts[number]].any():
            state.decide(number, sureness)
    for row in range(ROWS):
        decided, combined, share_behind = 0, np.zeros(CLASSES), 0.0
        for number in range(1, len(SIZES) + 1):
            votes = answered[: starts[number], None].astype(np.float64)
            if not (met[number - 1] and votes.any()):
                continue
            scores = said[: starts[number], row : row + 1] * (votes[:, :, None] > 0)
            decided, combined = number, whole.combine(scores, votes)[0]
            share_behind = agreement(scores, votes, combined[None])[0]
            if combined.max() >= confidence and share_behind >= share:
                break
        assert state.decided[row] == decided
        if decided:
            assert state.combined[row].tolist() == combined.tolist()  # to the last bit
            assert state.agreement()[row] == share_behind

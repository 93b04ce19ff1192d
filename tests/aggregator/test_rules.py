"""Each rule against a plain reference, and each `settled` against every completion there is."""

import itertools
import math
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.rules import DEFAULT_RULE, RULES, Rule, agreement, entropy, integer_weights, make_rule
from models.types import Array, Task
from tests.completions import Completions, column, drawn, grid, row

VOTES = ("hard", "soft", "log_pool", "max", "rank")
NUMBERS = ("mean", "median", "trimmed_mean")
SHAPES = [(1, 1, 2), (3, 1, 2), (5, 7, 3), (9, 1, 2), (12, 20, 9), (17, 3, 11)]


def classifying(name: str, classes: int) -> Rule:
    return make_rule(name, "classification", classes)


def regressing(name: str) -> Rule:
    return make_rule(name, "regression", 0)


# The label: the first of the highest.


def test_hard_gives_the_label_with_the_most_weight() -> None:
    scores, weights = row([0.9, 0.1], [0.4, 0.6], [0.45, 0.55]), column(1, 1, 1)
    assert classifying("hard", 2).combine(scores, weights).tolist() == [[1 / 3, 2 / 3]]
    assert classifying("hard", 2).combine(scores, column(3, 1, 1)).tolist() == [[3 / 5, 2 / 5]]


def test_hard_gives_a_tie_to_the_first_label_whoever_spoke_first() -> None:
    for scores in (row([0, 0, 1], [0, 1, 0]), row([0, 1, 0], [0, 0, 1])):
        assert classifying("hard", 3).combine(scores, column(1, 1)).argmax() == 1


def test_a_member_that_is_undecided_votes_for_the_first_of_its_highest() -> None:
    assert classifying("hard", 3).combine(row([0.2, 0.4, 0.4]), column(1)).tolist() == [[0, 1, 0]]


def test_decimal_weights_tie_exactly() -> None:
    weights = integer_weights([0.1, 0.2, 0.3])
    combined = classifying("hard", 2).combine(row([0, 1], [0, 1], [1, 0]), weights[:, None])
    assert combined.tolist() == [[0.5, 0.5]]
    assert weights[0] + weights[1] == weights[2]
    assert 0.1 + 0.2 > 0.3  # what binary fractions say


def test_shares_tell_apart_what_differs_by_one_in_the_largest_weights() -> None:
    scores, half = row([1, 0], [0, 1]), 2**52
    for first, second in ((half - 1, half), (2**52, 2**52 - 1), (1, 2**53 - 1)):
        combined = classifying("hard", 2).combine(scores, column(first, second))
        assert combined.argmax() == (second > first)
        assert combined[0, 0] != combined[0, 1]


@given(st.integers(0, 2**32 - 1))
def test_hard_is_scikit_learns_hard_vote(seed: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 5, 20, 3)
    labels, predicted = scores.argmax(axis=2), classifying("hard", 3).combine(scores, weights).argmax(axis=1)
    expected = [np.argmax(np.bincount(labels[:, i], weights=weights[:, i])) for i in range(20)]
    assert predicted.tolist() == expected


@given(st.integers(0, 2**32 - 1))
def test_soft_is_scikit_learns_soft_vote(seed: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 5, 20, 3)
    combined = classifying("soft", 3).combine(scores, weights)
    for i in range(20):
        assert combined[i] == pytest.approx(np.average(scores[:, i], axis=0, weights=weights[:, i]), abs=1e-14)


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 6, 30]))
def test_log_pool_is_the_floored_geometric_mean(seed: int, classes: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 4, 3, classes)
    combined = classifying("log_pool", classes).combine(scores, weights)
    floor = min(1e-3, 0.01 / classes)
    for i in range(3):
        voted, total = weights[:, i].tolist(), weights[:, i].sum()
        products = [
            math.prod(max(p, floor) ** (weight / total) for p, weight in zip(column, voted, strict=True))
            for column in scores[:, i].T.tolist()
        ]
        assert combined[i].tolist() == pytest.approx([product / sum(products) for product in products], rel=1e-12)


def test_a_single_zero_is_no_veto_in_log_pool() -> None:
    combined = classifying("log_pool", 2).combine(row([1, 0], [0.001, 0.999], [0.001, 0.999]), column(1, 1, 1))
    assert combined.argmax() == 1


def test_the_floor_of_log_pool_shrinks_where_there_are_many_classes() -> None:
    few, many = classifying("log_pool", 2), classifying("log_pool", 100)
    assert few.combine(row([1, 0]), column(1))[0, 1] == pytest.approx(0.001 / 1.001)
    assert many.combine(row([1.0] + 99 * [0.0]), column(1))[0, 1] == pytest.approx(0.0001 / 1.0099)


# The numbers.


@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_mean_is_the_weighted_average(seed: int, members: int) -> None:
    rng = np.random.default_rng(seed)
    scores, (_, weights) = rng.normal(size=(members, 8, 1)), drawn(rng, members, 8, 2)
    combined = regressing("mean").combine(scores * (weights > 0)[:, :, None], weights)
    expected = np.average(scores[:, :, 0], axis=0, weights=weights)
    assert combined.shape == (8, 1)
    assert combined[:, 0] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 5)), min_size=1, max_size=9))
def test_median_is_that_of_as_many_equal_votes_as_there_is_weight(votes: list[tuple[int, int]]) -> None:
    repeated = np.repeat([value for value, _ in votes], [weight for _, weight in votes])
    scores = np.array([[[float(value if weight else 0)]] for value, weight in votes])
    combined = regressing("median").combine(scores, column(*(weight for _, weight in votes)))
    assert combined.item() == (np.median(repeated) if len(repeated) else 0)


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=9), st.integers(1, 4))
def test_median_of_equal_weights_is_numpys(values: list[float], weight: int) -> None:
    scores = np.array(values)[:, None, None]
    combined = regressing("median").combine(scores, np.full((len(values), 1), float(weight)))
    assert combined.item() == pytest.approx(np.median(values), rel=1e-15, abs=1e-300)


def test_median_at_exactly_half_the_weight_is_the_mean_of_the_two_middle_values() -> None:
    median = regressing("median")
    assert median.combine(row([4], [1], [2]), column(3, 2, 1)).item() == 3
    assert median.combine(row([4], [1], [2]), column(4, 2, 1)).item() == 4
    assert median.combine(row([4], [0], [2]), column(1, 0, 1)).item() == 3  # and who did not vote is no middle


@pytest.mark.parametrize("name", NUMBERS)
def test_a_regression_is_settled_when_nobody_is_out(name: str) -> None:
    settled = regressing(name).settled(np.ones((3, 2, 1)), np.ones((3, 2)), np.array([0.0, 1.0]))
    assert settled.tolist() == [True, False]


# What every rule keeps.


@pytest.mark.parametrize("name", VOTES)
def test_a_row_without_votes_is_uniform_and_open_and_leaves_its_neighbours_alone(name: str) -> None:
    rule, weights = classifying(name, 3), np.array([[0.0, 1.0], [0.0, 1.0]])
    scores = np.array([[[0, 0, 0], [0, 1, 0]], [[0, 0, 0], [0, 1, 0]]], dtype=np.float64)
    combined = rule.combine(scores, weights)
    assert combined[0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert combined[1].tobytes() == rule.combine(scores[:, 1:], weights[:, 1:])[0].tobytes()
    assert rule.settled(scores, weights, np.array([1.0, 1.0])).tolist() == [False, name != "max"]
    assert agreement(scores, weights, combined).tolist() == [0, 1]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_row_without_votes_is_the_number_0(name: str) -> None:
    weights = np.array([[0.0, 1.0], [0.0, 1.0]])
    scores = np.array([[[7.0], [1.0]], [[9.0], [3.0]]])
    assert regressing(name).combine(scores, weights).tolist() == [[0], [2]]


def cases() -> Iterator[tuple[Rule, Array, Array]]:
    """Every rule with scores and weights in every shape."""
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        scores, weights = drawn(rng, *shape)
        yield from ((classifying(name, shape[2]), scores, weights) for name in VOTES)
        numbers = rng.normal(size=(*shape[:2], 1)) * (weights > 0)[:, :, None]
        yield from ((regressing(name), numbers, weights) for name in NUMBERS)


def test_a_row_is_answered_to_the_last_bit_alone_as_in_a_batch_whatever_the_memory_layout() -> None:
    for rule, scores, weights in cases():
        whole = rule.combine(scores, weights)
        assert rule.combine(np.asfortranarray(scores), np.asfortranarray(weights)).tobytes() == whole.tobytes()
        for i in range(len(whole)):
            part, votes = scores[:, i : i + 1], weights[:, i : i + 1]
            assert rule.combine(part, votes).tobytes() == whole[i].tobytes()
            assert rule.combine(part.copy(), votes.copy()).tobytes() == whole[i].tobytes()
            assert agreement(part, votes, whole[i : i + 1]) == agreement(scores, weights, whole)[i]
            assert entropy(abs(whole)[i : i + 1]).tobytes() == entropy(np.asfortranarray(abs(whole)))[i].tobytes()


def test_members_are_added_in_configured_order() -> None:
    combined = regressing("mean").combine(row([0.1], [0.2], [0.3]), column(1, 1, 1))
    assert combined.item() == (0.1 + 0.2 + 0.3) / 3 != (0.3 + 0.2 + 0.1) / 3


def test_a_member_that_gave_no_vote_changes_no_bit() -> None:
    for rule, scores, weights in cases():
        alone = rule.combine(scores, weights).tobytes()
        for i in range(len(scores) + 1):
            assert rule.combine(np.insert(scores, i, 0, axis=0), np.insert(weights, i, 0, axis=0)).tobytes() == alone


def test_a_member_that_gave_no_vote_does_not_change_the_sign_of_zero() -> None:
    for name in NUMBERS:
        alone = regressing(name).combine(row([-0.0]), column(1))
        assert regressing(name).combine(row([-0.0], [0.0]), column(1, 0)).tobytes() == alone.tobytes()


@pytest.mark.parametrize("name", [*VOTES, *NUMBERS])
def test_the_set_that_answered_decides_not_the_order_of_arrival(name: str) -> None:
    rng = np.random.default_rng(1)
    rule = classifying(name, 3) if name in VOTES else regressing(name)
    said, weight = rng.dirichlet([1, 1, 1], (4, 2)), np.array([3.0, 1.0, 2.0, 2.0])
    said = said if name in VOTES else said[:, :, :1]
    answers = set()
    for order in itertools.permutations(range(4)):
        scores, weights = np.zeros_like(said), np.zeros((4, 2))
        for member in order:
            scores[member], weights[member] = said[member], weight[member]
            answer = rule.combine(scores, weights).tobytes()
            rule.settled(scores, weights, np.full(2, weight.sum()) - weights.sum(axis=0))
        assert (scores == said).all()
        answers.add(answer)
    assert len(answers) == 1


@given(st.integers(0, 2**32 - 1), st.integers(2, 100))
def test_no_answer_depends_on_the_scale_of_the_weights(seed: int, scale: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 5, 6, 3)
    for name in VOTES:
        rule = classifying(name, 3)
        assert rule.combine(scores, scale * weights) == pytest.approx(rule.combine(scores, weights), abs=1e-14)
    for name in NUMBERS:
        numbers = regressing(name).combine(scores[:, :, :1], weights)
        assert regressing(name).combine(scores[:, :, :1], scale * weights) == pytest.approx(numbers, abs=1e-14)


# Settled: by brute force over all completions.


@pytest.mark.parametrize("members", [1, 2, 3, 4])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_hard_is_settled_exactly_when_no_completion_changes_the_label(members: int, classes: int) -> None:
    completions, rule = Completions(np.eye(classes), members), classifying("hard", classes)
    for weights in itertools.product(range(4), repeat=members):
        settled, truly, _ = completions.judge(rule, weights)
        assert (settled == truly).all(), weights


def lead(name: str, scores: Array, weights: Array) -> Array:
    """By how much weight on one rival a row's winner can be caught: (n,)."""
    floor = min(1e-3, 0.01 / scores.shape[2])
    each = scores if name == "soft" else np.log(np.maximum(scores, floor)) / -math.log(floor)
    sums = np.sort(np.einsum("mnk,mn->nk", each, weights), axis=1)
    return np.asarray(sums[:, -1] - sums[:, -2])


@pytest.mark.parametrize("name", ["soft", "log_pool"])
@pytest.mark.parametrize(("steps", "classes", "members"), [(20, 2, 2), (10, 2, 3), (3, 2, 4), (8, 3, 2), (3, 3, 3)])
def test_an_average_is_settled_only_when_no_completion_changes_the_label_and_then_but_for_ties_always(
    name: str, steps: int, classes: int, members: int
) -> None:
    completions, rule = Completions(grid(steps, classes), members), classifying(name, classes)
    for weights in itertools.product((1, 2, 5), repeat=members):
        settled, truly, out = completions.judge(rule, weights)
        assert (truly | ~settled).all(), weights
        clear = (abs(lead(name, *completions.now(weights)) - out) > 1e-6) | (out == 0)
        assert (settled == truly)[clear].all(), weights


def test_log_pool_counts_with_a_rival_at_1_and_the_winner_at_the_floor() -> None:
    # (1 - floor) / floor as the ratio would call this settled, and then the tie would go to the first label
    rule, scores = classifying("log_pool", 2), row([0, 1], [0, 0])
    assert not rule.settled(scores, column(1, 0), np.array([1.0]))[0]
    assert rule.combine(row([0, 1], [1, 0]), column(1, 1)).argmax() == 0
    assert rule.combine(scores, column(1, 0)).argmax() == 1


@pytest.mark.parametrize("name", ["soft", "log_pool"])
def test_an_average_whose_lead_passes_by_one_what_is_still_out_is_settled(name: str) -> None:
    rule, scores, votes = classifying(name, 2), row([0, 1], [0, 0]), column(10_001, 0)
    assert rule.settled(scores, votes, np.array([10_000.0]))[0]
    assert not rule.settled(scores, votes, np.array([10_001.0]))[0]


@pytest.mark.parametrize(
    ("name", "said", "weights", "vertex"),
    [
        ("soft", [[0.3, 0.7], [0.8, 0.2], [0.2, 0.8]], [1, 1, 2, 3], 0),
        ("soft", [[0.4, 0.6], [0.7, 0.3], [0.6, 0.4]], [1, 2, 3, 1], 1),
        ("soft", [[0.3, 0.2, 0.5], [0.2, 0.2, 0.6]], [1, 3, 1], 0),
        ("log_pool", [[0.0, 1.0], [0.5, 0.5]], [1, 1, 1], 0),
    ],
)
def test_a_tie_that_only_rounding_decides_is_in_doubt(
    name: str, said: list[list[float]], weights: list[int], vertex: int
) -> None:
    # the first member is out; what rounding makes of the tie depends on where it is added
    classes = len(said[0])
    rule = classifying(name, classes)
    scores, votes = row([0.0] * classes, *said), column(*weights)
    before = rule.combine(scores[1:], votes[1:]).argmax()
    assert not rule.settled(scores, np.vstack([column(0), votes[1:]]), votes[0])[0]
    scores[0, 0, vertex] = 1
    assert sum(np.sort(rule.combine(scores, votes))[0, -2:] * [1, -1]) == pytest.approx(0, abs=1e-12)
    assert before != vertex


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 20), st.integers(1, 6), st.sampled_from(VOTES))
def test_a_settled_label_stays_whatever_comes(seed: int, members: int, rows: int, classes: int, name: str) -> None:
    rng, rule = np.random.default_rng(seed), classifying(name, classes)
    scores, weights = drawn(rng, members, rows, classes)
    weight = weights.max(axis=1)  # some rows lack votes of members that answered
    out = rng.random(members) < 0.4
    now, votes = scores * ~out[:, None, None], weights * ~out[:, None]
    settled = rule.settled(now, votes, np.full(rows, weight[out].sum()))
    label = rule.combine(now, votes).argmax(axis=1)
    assert settled.shape == (rows,)
    changed = np.zeros(rows, dtype=bool)
    for adverse in [*np.eye(classes), *rng.dirichlet(np.full(classes, 0.3), 5)]:
        for coming in (out, out & (rng.random(members) < 0.6)):
            said = np.where(coming[:, None, None], adverse, now)
            cast = np.where(coming[:, None], weight[:, None], votes)
            changed |= rule.combine(said, cast).argmax(axis=1) != label
    assert not (settled & changed).any()
    if name == "hard":
        assert (settled | changed).all()
    if not weight[out].any():
        assert settled.all()


# The measures.


def test_agreement_is_the_share_of_weight_behind_the_label() -> None:
    scores, combined = row([0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0, 0]), np.array([[0.6, 0.4]])
    assert agreement(scores, column(2, 1, 1, 0), combined).tolist() == [3 / 4]
    assert agreement(scores, column(2, 1, 1, 0), combined[:, ::-1]).tolist() == [1 / 4]
    assert agreement(scores, column(1, 1, 1, 0), np.array([[0.5, 0.5]])).tolist() == [2 / 3]


@given(st.integers(0, 2**32 - 1))
def test_agreement_with_a_hard_vote_is_its_highest_share(seed: int) -> None:
    scores, weights = drawn(np.random.default_rng(seed), 5, 9, 3)
    combined = classifying("hard", 3).combine(scores, weights)
    assert (agreement(scores, weights, combined) == combined.max(axis=1)).all()


def test_entropy_is_in_nats_and_exactly_0_for_certainty() -> None:
    found = entropy(np.array([[0.25] * 4, [0, 1, 0, 0], [0.5, 0, 0.5, 0], [1, 0, 0, 0]]))
    assert found.tolist() == [pytest.approx(math.log(4)), 0, pytest.approx(math.log(2)), 0]
    assert not np.signbit(found).any()
    assert entropy(np.array([[1 - 5e-324, 5e-324]])) == pytest.approx(0, abs=1e-300)


# The weights.


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1.0, 1.0, 1.0], [1, 1, 1]),
        ([0.1, 0.2, 0.3], [1, 2, 3]),
        ([0.5, 0.25, 2], [2, 1, 8]),
        ([0.0, 2.5], [0, 1]),
        ([1e-7, 1e3], [1, 10**10]),
        ([6, 4], [3, 2]),
        ([7.25], [1]),
        ([2**53 - 1, 1], [2**53 - 1, 1]),
    ],
)
def test_weights_become_the_smallest_integers_in_proportion(weights: list[float], expected: list[int]) -> None:
    assert integer_weights(weights).tolist() == expected
    assert integer_weights(np.array(weights, dtype=np.float64).tolist()).dtype == np.float64


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, -0.5], "got -0.5"),
        ([math.nan], "got nan"),
        ([1.0, math.inf], "got inf"),
        ([0.0, 0.0], r"got \[0.0, 0.0\]"),
        ([], r"got \[\]"),
        ([1e-16, 1.0], r"\[1e-16, 1.0\]"),
        ([2**53, 1], "9007199254740992"),
    ],
)
def test_weights_that_cannot_be_exact_are_refused_with_the_value(weights: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        integer_weights(weights)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(any), st.integers(0, 6))
def test_integer_weights_keep_every_proportion(digits: list[int], places: int) -> None:
    scaled = integer_weights([float(f"{digit}e-{places}") for digit in digits]).tolist()
    assert all(a * digits[j] == scaled[j] * b for a, b in zip(scaled, digits, strict=True) for j in range(len(digits)))
    assert math.gcd(*(int(weight) for weight in scaled)) == 1


# The table.


def test_every_task_with_rules_has_a_default_that_fits() -> None:
    fitted = {task for rule in RULES.values() for task in rule.tasks}
    assert fitted == set(DEFAULT_RULE)
    assert fitted <= set(get_args(Task))
    for task, name in DEFAULT_RULE.items():
        assert make_rule(name, task, 2).early is False


def test_only_a_hard_vote_and_the_first_answer_leave_early_unasked() -> None:
    early = {name for name, rule in RULES.items() if rule(2).early}
    assert early == {"hard", "first"}


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        (
            "mean",
            "classification",
            "no rule 'mean' for classification; rules that fit: hard, soft, log_pool, max, rank, first",
        ),
        ("hard", "regression", "no rule 'hard' for regression; rules that fit: mean, median, trimmed_mean, first"),
        (
            "median_vote",
            "regression",
            "no rule 'median_vote' for regression; rules that fit: mean, median, trimmed_mean, first",
        ),
        ("soft", "embedding", "no rule 'soft' for embedding; rules that fit: none"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_those_that_do(name: str, task: Task, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make_rule(name, task, 2)


def test_a_classification_without_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0"):
        make_rule("soft", "classification", 0)

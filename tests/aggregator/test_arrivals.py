"""The answer depends on the set that answered: not on the order, nor on what comes twice or late."""

import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.rules import RULES, Rule, integer_weights
from aggregator.tally import Frozen, Quorum, Tally
from models.types import Array
from tests.completions import drawn

ROWS, CLASSES = 3, 3
EXAMPLES, ORDERS = 100, 12
ANY = Quorum(1, 0.0)


class Story:
    """One fan-out: what each member says, who is late, who fails, and who says it twice, drawn from a seed."""

    def __init__(self, name: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.members = int(rng.integers(1, 7))
        classifies = "classification" in RULES[name].tasks
        self.rule: Rule = RULES[name](CLASSES if classifies else 0)
        self.scores: Array = drawn(rng, self.members, ROWS, CLASSES)[0] if classifies else self._numbers(rng)
        self.other = self.scores[::-1, ::-1]  # what is said by who should be silent
        self.weights = integer_weights(rng.integers(1, 6, self.members).tolist())
        self.fates = rng.choice(["ok", "ok", "ok", "failed", "late"], self.members).tolist()
        self.again = rng.random(self.members) < 0.5

    def _numbers(self, rng: np.random.Generator) -> Array:
        numbers: Array = rng.normal(size=(self.members, ROWS, 1)) * 10.0 ** rng.integers(-3, 9)
        return numbers

    def told(self, order: Iterable[int]) -> Frozen:
        """The answer when members arrive in `order`; who is late comes in the end, and changes nothing."""
        tally = Tally(self.rule, self.weights, rows=ROWS, classes=self.scores.shape[2])
        for at, member in enumerate(order):
            self._arrives(tally, member, float(at))
        frozen = tally.freeze(slice(0, ROWS), "partial", elapsed=9, late=True)
        before = bits(frozen)
        for member in order:
            tally.record(member, self.other[member], 10)
        assert bits(frozen) == before
        return frozen

    def _arrives(self, tally: Tally, member: int, when: float) -> None:
        if self.fates[member] == "ok":
            tally.record(member, self.scores[member], when)
        elif self.fates[member] == "failed":
            tally.lose(member, "failed", "connect", when)
        if self.fates[member] != "late" and self.again[member]:
            tally.record(member, self.other[member], when)
            tally.lose(member, "failed", "reset", when)


def bits(frozen: Frozen) -> list[bytes | None]:
    """All that a caller is told in numbers, to the last bit."""
    arrays = [frozen.combined, frozen.agreement, frozen.entropy, *(voice.scores for voice in frozen.voices)]
    return [None if array is None else array.tobytes() for array in arrays]


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=EXAMPLES, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_same_set_gives_the_same_bits_in_whatever_order_it_comes(name: str, seed: int) -> None:
    story, rng = Story(name, seed), np.random.default_rng(seed)
    straight = story.told(range(story.members))
    assert [voice.fate for voice in straight.voices] == story.fates
    for _ in range(ORDERS):
        shuffled = story.told(rng.permutation(story.members).tolist())
        assert bits(straight) == bits(shuffled)
        assert [voice.fate for voice in shuffled.voices] == story.fates


def test_ten_thousand_arrivals_are_tried() -> None:
    assert len(RULES) * EXAMPLES * ORDERS >= 10_000


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=200, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_who_did_not_answer_changes_no_bit_of_those_who_did(name: str, seed: int) -> None:
    story = Story(name, seed)
    here = [member for member in range(story.members) if story.fates[member] == "ok"]
    if not here:
        return
    alone = Tally(story.rule, story.weights[here], rows=ROWS, classes=story.scores.shape[2])
    for at, member in enumerate(here):
        alone.record(at, story.scores[member], 0)
    whole = story.told(range(story.members))
    assert bits(whole)[:3] == bits(alone.freeze(slice(0, ROWS), "complete", elapsed=0, late=False))[:3]


@pytest.mark.parametrize("name", [name for name in RULES if "classification" in RULES[name].tasks and name != "first"])
@settings(max_examples=200, database=None)
@given(seed=st.integers(0, 2**32 - 1), shuffle=st.randoms(use_true_random=False))
def test_a_decided_label_is_the_label_that_everyone_gives_together(
    name: str, seed: int, shuffle: random.Random
) -> None:
    story = Story(name, seed)
    order = list(range(story.members))
    shuffle.shuffle(order)
    tally = Tally(story.rule, story.weights, rows=ROWS, classes=CLASSES)
    decided = None
    for member in order:
        tally.record(member, story.scores[member], 0)
        if decided is None and tally.verdict(slice(0, ROWS), ANY, early=True) == "decided":
            decided = tally.freeze(slice(0, ROWS), "decided", elapsed=0, late=False).combined
    everyone = tally.freeze(slice(0, ROWS), "complete", elapsed=0, late=False).combined
    assert everyone is not None
    if decided is not None:
        assert (decided.argmax(axis=1) == everyone.argmax(axis=1)).all()

"""What a cascade would do at each threshold, against plain NumPy."""

import numpy as np
import pytest

from aggregator.rules import make_rule
from aggregator.thresholds import outlooks

RANDOM = np.random.default_rng(3)
ROWS = 200
VOTES = {name: RANDOM.dirichlet([0.3] * 3, ROWS) for name in "abcd"}
STAGES = [{"a": VOTES["a"], "b": VOTES["b"]}, {"c": VOTES["c"], "d": VOTES["d"]}]
TRUTH = RANDOM.integers(0, 3, ROWS)


def test_each_threshold_is_what_the_rows_say() -> None:
    rule = make_rule("soft", "classification", 3)
    found = list(outlooks(rule, STAGES, TRUTH, [0.5, 0.8], weights={"c": 2.0}))
    assert [one.min_confidence for one in found] == [0.5, 0.8, None]
    first = (VOTES["a"] + VOTES["b"]) / 2
    whole = (VOTES["a"] + VOTES["b"] + 2 * VOTES["c"] + VOTES["d"]) / 5
    agreed = VOTES["a"].argmax(axis=1) == VOTES["b"].argmax(axis=1)
    for one in found:
        confident = first.max(axis=1) >= (1.5 if one.min_confidence is None else one.min_confidence)
        sure = agreed & confident
        right = np.where(sure, first.argmax(axis=1), whole.argmax(axis=1)) == TRUTH
        assert one.share == pytest.approx(1 - sure.mean())
        assert one.accuracy == pytest.approx(right.mean())
    assert found[-1].share == 1.0


def test_agreement_counts_too() -> None:
    rule = make_rule("soft", "classification", 3)
    (strict, _), (loose, _) = (list(outlooks(rule, STAGES, TRUTH, [0.5], min_agreement=share)) for share in (1.0, 0.1))
    assert loose.share < strict.share

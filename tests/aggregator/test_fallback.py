import math
from collections.abc import Mapping

import pytest

from aggregator.fallback import fallback_of
from models.types import classifier
from tests.fakes import FEATURES, NUMBER

COLOURS = classifier((FEATURES,), ("red", "green", "blue"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("green", [0, 1, 0]),
        ({"blue": 0.75, "red": 0.25}, [0.25, 0, 0.75]),
        ({"red": 0.3333, "green": 0.3333, "blue": 0.3333}, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_a_label_and_a_table_are_probabilities_in_the_order_of_the_labels(
    given: str | Mapping[str, float], expected: list[float]
) -> None:
    assert fallback_of(given, COLOURS).tolist() == pytest.approx(expected)


def test_a_number_is_the_fallback_of_a_regression() -> None:
    assert fallback_of(-3, NUMBER).tolist() == [-3.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("gren", "no label 'gren', did you mean 'green'"),
        ({"red": 0.5, "blu": 0.5}, "did you mean 'blue'"),
        ({"red": 0.5}, "must sum to 1, got 0.5"),
        ({}, "must sum to 1, got 0"),
        ({"red": 1.5, "green": -0.5}, "0 to 1, got 1.5 for 'red'"),
        ({"red": math.nan}, "got nan"),
        (0.5, "expected a label, or a table"),
    ],
)
def test_what_is_no_answer_of_a_classifier_is_refused(given: str | Mapping[str, float] | float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fallback_of(given, COLOURS)


@pytest.mark.parametrize("given", ["red", {"red": 1.0}, math.nan, math.inf])
def test_what_is_no_number_is_refused_for_a_regression(given: str | Mapping[str, float] | float) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        fallback_of(given, NUMBER)

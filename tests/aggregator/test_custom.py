"""A user's own rule: what is asked of it at the start, and what of every answer."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aggregator.rules import Rule, make_rule
from models.errors import RuleFailed
from tests.completions import column, row

CODE = """
import asyncio
import numpy as np

class Lowest:
    early = True

    def __init__(self, classes):
        self.classes = classes

    def combine(self, scores, weights):
        return np.eye(self.classes)[scores.sum(axis=0).argmin(axis=1)] if self.classes > 1 else scores.min(axis=0)

    def settled(self, scores, weights, outstanding):
        return outstanding == 0

class View:
    def __init__(self, classes):
        assert classes in (1, 2)

    def combine(self, scores, weights):
        return scores[0]

    def settled(self, scores, weights, outstanding):
        return outstanding == 0

class Odd(Lowest):
    said = None

    def combine(self, scores, weights):
        if isinstance(self.said, type):
            raise self.said("secret")
        return self.said

    def settled(self, scores, weights, outstanding):
        return self.combine(scores, weights)

class Writes(Lowest):
    def combine(self, scores, weights):
        scores[:] = 1
        return scores[0]

class NoMethods:
    def __init__(self, classes):
        pass
    def combine(self, scores, weights):
        return scores[0]

class Broken:
    def __init__(self, classes):
        raise RuntimeError("no licence")

class NoArguments:
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a user keeps `my_own_rules.py`."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "my_own_rules.py").write_text(CODE)
    (folder / "rules_that_raise.py").write_text("raise SystemExit(7)")
    before = list(sys.path)
    yield folder
    sys.path[:] = before
    sys.modules.pop("my_own_rules", None)


def made(folder: Path, name: str, classes: int = 2) -> Rule:
    return make_rule(f"my_own_rules:{name}", "classification", classes, folder)


def saying(folder: Path, said: object) -> Rule:
    """A rule whose methods give, or raise, `said`."""
    rule = made(folder, "Odd")
    sys.modules["my_own_rules"].Odd.said = said
    return rule


def test_a_class_of_the_users_is_a_rule_for_any_number_of_labels(folder: Path) -> None:
    assert made(folder, "Lowest", 3).combine(row([0.5, 0.3, 0.2]), column(1)).tolist() == [[0, 0, 1]]
    number = make_rule("my_own_rules:Lowest", "regression", 0, folder)
    assert number.combine(row([4], [-3]), column(1, 1)).tolist() == [[-3]]


def test_it_leaves_early_only_if_it_says_so(folder: Path) -> None:
    assert made(folder, "Lowest").early
    assert not made(folder, "View").early


def test_an_answer_that_is_a_view_of_the_votes_is_copied(folder: Path) -> None:
    scores = row([0.3, 0.7])
    combined = made(folder, "View").combine(scores, column(1))
    numbers = row([7])
    number = make_rule("my_own_rules:View", "regression", 0, folder).combine(numbers, column(1))
    scores[:] = numbers[:] = 0
    assert combined.tolist() == [[0.3, 0.7]]
    assert number.tolist() == [[7]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_own_rules:Lowst", "did you mean 'Lowest'"),
        ("my_own_rules:NoMethods", "lacks the method settled"),
        ("my_own_rules:Broken", "RuntimeError: no licence"),
        ("my_own_rules:NoArguments", "takes no arguments"),
        ("my_own_rules:np", "TypeError"),
        ("my_own_rulez:Lowest", "No module named 'my_own_rulez'"),
        ("rules_that_raise:Any", "SystemExit: 7"),
        ("my_own_rules:", "no class ''"),
        (":Lowest", "ValueError: Empty module name"),
    ],
)
def test_what_is_no_rule_is_an_error_at_the_start_that_names_it(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        make_rule(name, "classification", 2, folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (np.zeros(2), "must have the shape"),
        (np.array([[0.5, 0.6]]), "must sum to 1"),
        (np.array([[np.nan, 1.0]]), "must lie in"),
        (np.array([[np.inf, 0.0]]), "must lie in"),
        ([["a", "b"]], "must be numbers"),
        (None, "must be numbers"),
        ([[1], [1, 2]], "raised ValueError"),
        (ZeroDivisionError, "raised ZeroDivisionError"),
        (SystemExit, "raised SystemExit"),
        (asyncio.CancelledError, "raised CancelledError"),
    ],
)
def test_nonsense_is_an_error_that_says_what_and_nothing_of_the_code(folder: Path, said: object, message: str) -> None:
    with pytest.raises(RuleFailed, match=f"combine of the rule my_own_rules:Odd.* {message}") as caught:
        saying(folder, said).combine(row([0.3, 0.7]), column(1))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("said", [True, [1.0], [[True]], [True, True], None, ValueError])
def test_settled_must_be_one_bool_per_row(folder: Path, said: object) -> None:
    with pytest.raises(RuleFailed, match="settled of the rule my_own_rules:Odd"):
        saying(folder, said).settled(row([0.3, 0.7]), column(1), np.zeros(1))


def test_a_rule_cannot_write_into_the_votes(folder: Path) -> None:
    scores = row([0.3, 0.7])
    with pytest.raises(RuleFailed, match="raised ValueError"):
        made(folder, "Writes").combine(scores, column(1))
    assert scores.tolist() == [[[0.3, 0.7]]]

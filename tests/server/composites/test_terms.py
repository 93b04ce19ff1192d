"""What an ensemble says of its rule, its fallback and its agreement, from the file to the terms."""

from pathlib import Path

import msgspec
import pytest

from aggregator.custom import CustomRule
from models.types import Signature
from server.composites.terms import terms_of
from server.config import Config, ConfigError, load_config, warnings_of
from server.settings import EnsembleSettings
from tests.fakes import NUMBER, YES_NO

FILE = """
[backends.a]
model = "cancer/a"
[backends.b]
model = "cancer/b"
[backends.c]
model = "cancer/c"
[ensembles.vote]
members = ["a", "b", "c"]
"""

CODE = """
class Mine:
    def __init__(self, classes): pass
    def combine(self, scores, weights): return scores[0]
    def settled(self, scores, weights, outstanding): return outstanding == 0

class Lame:
    def __init__(self, classes): pass
"""


def loaded(folder: Path, more: str) -> Config:
    (folder / "chorus.toml").write_text(FILE + more)
    return load_config(folder / "chorus.toml", {}, {})


def settings(folder: Path, more: str) -> EnsembleSettings:
    return loaded(folder, more).ensembles["vote"]


@pytest.mark.parametrize(
    ("more", "signature", "expected"),
    [
        ('fallback = "yes"', YES_NO, [0, 1]),
        ("fallback = { no = 0.25, yes = 0.75 }", YES_NO, [0.25, 0.75]),
        ("fallback = { no = 1 }", YES_NO, [1, 0]),
        ("fallback = 2.5", NUMBER, [2.5]),
        ("fallback = -3", NUMBER, [-3]),
    ],
)
def test_a_fallback_is_a_label_a_table_or_a_number(
    tmp_path: Path, more: str, signature: Signature, expected: list[float]
) -> None:
    read = settings(tmp_path, more)
    _, terms = terms_of(read, signature)
    assert terms.fallback is not None
    assert terms.fallback.tolist() == expected
    assert msgspec.json.decode(msgspec.json.encode(read), type=EnsembleSettings) == read  # as children are handed it


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("fallback = true", "fallback: expected a label or a number or a table, got true"),
        ('fallback = ""', "fallback: expected a label or a number or a table, got ''"),
        ('fallback = ["yes"]', "fallback: expected a label or a number or a table, got ['yes']"),
        ('fallback = { yes = "1" }', "fallback.yes: expected a number, got '1'"),
        ("min_agreement = 0", "min_agreement: expected a number over 0 and at most 1, got 0"),
        ("min_agreement = 1.1", "min_agreement: expected a number over 0 and at most 1, got 1.1"),
        ("min_agrement = 1", "min_agrement: unknown key; did you mean 'min_agreement'?"),
        ("fallbak = 1", "fallbak: unknown key; did you mean 'fallback'?"),
    ],
)
def test_what_is_of_no_such_kind_is_a_mistake_of_the_file(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, more)
    assert caught.value.mistakes == (f"{tmp_path}/chorus.toml: [ensembles.vote] {said}",)


@pytest.mark.parametrize(
    ("more", "signature", "said"),
    [
        ('fallback = "maybe"', YES_NO, "fallback: no label 'maybe'; there are: no, yes"),
        ("fallback = { yes = 0.5 }", YES_NO, "fallback: probabilities must sum to 1, got 0.5"),
        ("fallback = nan", NUMBER, "fallback: expected a finite number for a regression, got nan"),
        ("min_agreement = 0.5", NUMBER, "min_agreement: numbers do not agree or disagree: it is for classifications"),
        (
            'rule = "first"\nmin_agreement = 0.5',
            YES_NO,
            "min_agreement: whoever answers first agrees with itself: choose another rule",
        ),
        (
            'rule = "rnk"',
            YES_NO,
            "rule: no rule 'rnk' for classification; rules that fit: hard, soft, log_pool, max, rank, first",
        ),
    ],
)
def test_what_does_not_fit_the_labels_is_a_mistake_with_its_key(
    tmp_path: Path, more: str, signature: Signature, said: str
) -> None:
    with pytest.raises(ValueError) as caught:
        terms_of(settings(tmp_path, more), signature)
    assert str(caught.value) == said


def test_a_dotted_path_is_found_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["."])
    (tmp_path / "rules_beside_the_file.py").write_text(CODE)
    rule, _ = terms_of(settings(tmp_path, 'rule = "rules_beside_the_file:Mine"'), YES_NO)
    assert isinstance(rule, CustomRule)
    with pytest.raises(
        ValueError, match=r"^rule: 'rules_beside_the_file:Lame' in .* lacks the method combine and settl"
    ):
        terms_of(settings(tmp_path, 'rule = "rules_beside_the_file:Lame"'), YES_NO)


def test_a_dotted_path_is_found_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["."])
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "rules_elsewhere.py").write_text(CODE)
    read = settings(tmp_path, 'rule = "rules_elsewhere:Mine"\npath = "lib"')
    assert read.path == str(tmp_path / "lib")
    assert isinstance(terms_of(read, YES_NO)[0], CustomRule)


def test_one_answer_is_enough_for_first_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    assert terms_of(settings(tmp_path, 'rule = "first"'), YES_NO)[1].quorum == 1
    assert terms_of(settings(tmp_path, 'rule = "first"\nquorum = 2'), YES_NO)[1].quorum == 2
    assert terms_of(settings(tmp_path, 'rule = "max"'), YES_NO)[1].quorum is None


def test_no_weight_alone_can_block_the_first_answer(tmp_path: Path) -> None:
    assert len(warnings_of(loaded(tmp_path, "weights = { a = 9 }"))) == 1
    assert warnings_of(loaded(tmp_path, 'rule = "first"\nweights = { a = 9 }')) == []

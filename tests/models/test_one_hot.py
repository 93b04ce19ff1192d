import numpy as np
import pytest

from models.errors import InvalidAnswer
from models.one_hot import one_hot
from models.types import Array

LABELS = ("malignant", "benign")


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_strings_are_labels_by_name(shape: tuple[int, ...]) -> None:
    said = np.array(["benign", "malignant", "benign"], object).reshape(shape)
    assert one_hot(said, LABELS).tolist() == [[0, 1], [1, 0], [0, 1]]


def test_integers_count_the_labels_from_zero() -> None:
    assert one_hot(np.array([[1], [0]]), LABELS).tolist() == [[0, 1], [1, 0]]


def test_integers_are_names_where_all_labels_are_integers() -> None:
    assert one_hot(np.array([1, 0]), ("1", "0")).tolist() == [[1, 0], [0, 1]]
    assert one_hot(np.array(["1"], object), ("1", "0")).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (np.array(["begnin"], object), "row 0 is no label: 'begnin'"),
        (np.array([0, 2]), "row 1 is no label: '2'"),
        (np.array([-1]), "row 0 is no label: '-1'"),
        (np.array([1.0]), "strings or integers"),
        (np.array([[0, 1]]), "one per row"),
        (np.array(0), "one per row"),
    ],
)
def test_anything_else_is_no_vote(said: Array, words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words):
        one_hot(said, LABELS)

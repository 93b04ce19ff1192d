"""What counts as an answer."""

from typing import Any

import numpy as np
import pytest

from models.answers import validated
from models.calibration import tempered
from models.errors import InvalidAnswer
from models.types import Array, Signature, TensorSpec, classifier, regressor

THREE = classifier((TensorSpec("features", "FP32", (-1, 4)),), ("a", "b", "c"))
NUMBER = regressor((TensorSpec("features", "FP32", (-1, 4)),))
VECTOR = Signature("embedding", (), (TensorSpec("embedding", "FP32", (-1, 2)),))


def probabilities(*rows: list[float], dtype: Any = np.float64) -> Array:
    said = validated({"probabilities": np.array(rows, dtype)}, THREE, len(rows))
    return said["probabilities"]


def predictions(said: Any, rows: int) -> Array:
    return validated({"predictions": np.asarray(said)}, NUMBER, rows)["predictions"]


def test_probabilities_become_float64_and_sum_to_one() -> None:
    said = probabilities([0.1, 0.2, 0.7], [0.3333, 0.3333, 0.3333], dtype=np.float32)
    assert said.dtype == np.float64
    assert np.abs(said.sum(axis=1) - 1).max() < 1e-15
    assert np.allclose(said, [[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3]])


def test_validating_twice_changes_nothing() -> None:
    once = probabilities([0.1, 0.2, 0.7002])
    assert np.allclose(validated({"probabilities": once}, THREE, 1)["probabilities"], once, rtol=0, atol=1e-16)


def test_what_the_model_said_is_left_as_it_was() -> None:
    said = np.array([[0.5, 0.5005, -0.0005]])
    validated({"probabilities": said}, THREE, 1)
    assert said.tolist() == [[0.5, 0.5005, -0.0005]]


def test_a_negative_within_tolerance_is_nought() -> None:
    assert probabilities([0.5, 0.5005, -0.0005])[0, 2] == 0


def test_a_row_comes_out_the_same_alone_and_among_many() -> None:
    rows = np.random.default_rng(0).dirichlet([0.5, 0.5, 0.5], 100).astype(np.float32)
    together = validated({"probabilities": rows}, THREE, 100)["probabilities"]
    alone = [validated({"probabilities": row[None]}, THREE, 1)["probabilities"][0].tolist() for row in rows]
    assert together.tolist() == alone


def test_other_outputs_are_dropped() -> None:
    said = {"label": np.array([1]), "probabilities": np.array([[0.0, 1.0, 0.0]])}
    assert list(validated(said, THREE, 1)) == ["probabilities"]


def test_no_rows_are_an_answer_to_no_rows() -> None:
    assert validated({"probabilities": np.empty((0, 3))}, THREE, 0)["probabilities"].shape == (0, 3)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([0.5, 0.5, 0.002], "row 1 sums to 1.002"),
        ([0.0, 0.0, 0.0], "row 1 sums to 0"),
        ([0.5, 0.502, -0.002], "got -0.002 to 1"),
        ([np.nan, 0.5, 0.5], "nan"),
        ([np.inf, 0.5, 0.5], "inf"),
        ([-np.inf, np.inf, 1.0], "inf"),
        ([1e308, 1e308, 1e308], r"1e\+308"),
    ],
)
def test_what_is_no_distribution_is_invalid(row: list[float], words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words):
        probabilities([0.0, 1.0, 0.0], row)
    with pytest.raises(InvalidAnswer, match=words):
        probabilities([0.0, 1.0, 0.0], row, *[[0.0, 1.0, 0.0]] * 50)


@pytest.mark.parametrize("shape", [(2, 2), (2, 4), (1, 3), (3, 3), (6,), (2, 3, 1)])
def test_probabilities_of_another_shape_are_invalid(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidAnswer, match=r"must have the shape \(2, 3\)"):
        validated({"probabilities": np.full(shape, 1 / 3)}, THREE, 2)


@pytest.mark.parametrize("said", [np.array([["a", "b", "c"]], object), np.ones((1, 3), bool), np.ones((1, 3), complex)])
def test_what_is_no_number_is_invalid(said: Array) -> None:
    with pytest.raises(InvalidAnswer, match="must be numbers"):
        validated({"probabilities": said}, THREE, 1)


def test_a_missing_output_is_invalid() -> None:
    with pytest.raises(InvalidAnswer, match=r"no output 'probabilities' among \['scores'\]"):
        validated({"scores": np.ones((1, 3))}, THREE, 1)


@pytest.mark.parametrize("said", [[1.5, 2.5], [[1.5], [2.5]]])
def test_predictions_are_one_float64_per_row(said: Any) -> None:
    answer = predictions(np.asarray(said, np.float32), rows=2)
    assert answer.dtype == np.float64
    assert answer.tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("said", "words"),
    [([1.0], "shape"), ([[1.0, 2.0]], "shape"), ([1.0, np.nan], "row 1 is nan"), ([np.inf, 1.0], "row 0 is inf")],
)
def test_predictions_that_do_not_fit_are_invalid(said: Any, words: str) -> None:
    with pytest.raises(InvalidAnswer, match=words):
        predictions(said, rows=2)


def test_other_tasks_keep_their_tensors() -> None:
    said = np.ones((3, 2), np.float32)
    assert validated({"embedding": said}, VECTOR, 3)["embedding"] is said


@pytest.mark.parametrize("said", [np.ones((2, 2)), np.ones((3, 5)), np.ones(3), np.full((3, 2), np.nan)])
def test_other_tasks_tensors_need_their_shape_and_finite_numbers(said: Array) -> None:
    with pytest.raises(InvalidAnswer, match="embedding must"):
        validated({"embedding": said}, VECTOR, 3)


def test_tensors_come_as_they_were_declared() -> None:
    said = {"embedding": np.ones((3, 2), np.float64)}
    assert validated(said, VECTOR, 3)["embedding"].dtype == np.float32
    words = Signature("transform", (), (TensorSpec("word", "BYTES", (-1,)), TensorSpec("count", "INT64", (-1,))))
    answer = validated({"word": np.array(["a", "b"]), "count": np.array([1, 2], np.int32)}, words, 2)
    assert [array.dtype.str for array in answer.values()] == ["|O", "<i8"]
    assert answer["word"].tolist() == ["a", "b"]
    for wrong in ({"word": np.array([1, 2])}, {"count": np.array([1.5, 2])}):
        with pytest.raises(InvalidAnswer, match=f"{next(iter(wrong))} must be"):
            validated({"word": np.array(["a", "b"]), "count": np.array([1, 2]), **wrong}, words, 2)


def test_a_missing_value_is_one_where_it_was_declared_so() -> None:
    holes = Signature("transform", (), (TensorSpec("x", "FP32", (-1, 1), ("x",), nullable=True),))
    assert np.isnan(validated({"x": np.array([[np.nan]])}, holes, 1)["x"]).all()
    with pytest.raises(InvalidAnswer, match="x must be finite"):
        validated({"x": np.array([[np.inf]])}, holes, 1)


def test_calibrated_probabilities_are_those_of_what_was_said_renormalised() -> None:
    said = np.array([[0.1, 0.2, 0.7], [0.2, 0.3, 0.5005], [0.0, 0.0, 1.0]])
    calibrated = validated({"probabilities": said}, THREE, 3, temperature=1.7)["probabilities"]
    plain = validated({"probabilities": said}, THREE, 3)["probabilities"]
    assert np.allclose(calibrated, tempered(plain, 1.7), rtol=1e-14, atol=0)
    with pytest.raises(InvalidAnswer):
        validated({"probabilities": said + 0.1}, THREE, 3, temperature=1.7)

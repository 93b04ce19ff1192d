"""Rows to try a model with, from a file."""

import numpy as np
import pytest

from models.csv_rows import read_csv
from models.errors import RegistryError
from models.types import TensorSpec, classifier, regressor

AB = TensorSpec("features", "FP32", (-1, 2), ("a", "b"))
NULLABLE = TensorSpec("features", "FP32", (-1, 2), ("a", "b"), nullable=True)
COUNT = TensorSpec("a", "INT64", (-1, 1), ("a",))
WORD = TensorSpec("b", "BYTES", (-1, 1), ("b",))


def test_columns_are_found_by_name_and_others_do_not_matter() -> None:
    rows = read_csv("rows.csv", b"b,other,a\n1,x,2\n3,y,4\n")
    assert rows.inputs([AB])["features"].tolist() == [[2, 1], [4, 3]]
    assert rows.truth is None


def test_columns_without_names_are_taken_in_order() -> None:
    rows = read_csv("rows.csv", b"q,r,target\n1,2,3\n")
    assert rows.inputs([TensorSpec("x", "FP32", (-1, 2, 1))])["x"].tolist() == [[[1], [2]]]
    with pytest.raises(RegistryError, match=r"rows.csv: 2 columns, the model takes 3"):
        rows.inputs([TensorSpec("x", "FP32", (-1, 3))])


def test_the_truth_is_a_label_or_a_number() -> None:
    rows = read_csv("rows.csv", b"a,b,label\n1,2,yes\n3,4,no\n")
    targets = rows.targets(classifier((AB,), ("no", "yes")))
    assert targets is not None
    assert targets.tolist() == [1, 0]
    with pytest.raises(RegistryError, match=r"rows.csv: row 1: expected a number, got 'yes'"):
        rows.targets(regressor((AB,)))
    with pytest.raises(RegistryError, match=r"rows.csv: row 2: no label 'no', did you mean 'not'\?"):
        rows.targets(classifier((AB,), ("not", "yes")))


@pytest.mark.parametrize("cell", [b"", b"NaN", b"NA", b"null"])
def test_an_empty_cell_is_a_missing_value_where_there_may_be_one(cell: bytes) -> None:
    rows = read_csv("rows.csv", b"a,b\n1," + cell + b"\n")
    assert np.isnan(rows.inputs([NULLABLE])["features"][0, 1])
    with pytest.raises(RegistryError, match=r"rows.csv: row 1: b: a value is missing.*--nullable"):
        rows.inputs([AB])


def test_integers_and_strings_are_what_they_are() -> None:
    rows = read_csv("rows.csv", b"a,b\n7,007\n")
    inputs = rows.inputs([COUNT, WORD])
    assert inputs["a"].dtype == np.int64
    assert (inputs["a"][0, 0], inputs["b"][0, 0]) == (7, "007")
    assert (rows.has_numbers("a"), read_csv("x", b"a\nseven\n").has_numbers("a")) == (True, False)
    with pytest.raises(RegistryError, match=r"a: expected INT64, got '7.5'"):
        read_csv("rows.csv", b"a,b\n7.5,x\n").inputs([COUNT])


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"", "expected a header and 1 to"),
        (b"a,b\n", "expected a header and 1 to"),
        (b"a,b\n1\n", "row 1: 1 values, but 2 columns"),
        (b"a,b\n\xff,1\n", "not CSV"),
        (b'a,b\n"1,2\n', "not CSV"),
    ],
)
def test_what_is_no_csv_is_refused(contents: bytes, said: str) -> None:
    with pytest.raises(RegistryError, match=said):
        read_csv("rows.csv", contents)


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(RegistryError, match=r"rows.csv: no column 'b', did you mean 'bb'\?"):
        read_csv("rows.csv", b"a,bb\n1,2\n").inputs([AB])

"""Members that use different features, in tensors of other names and as other numbers."""

from typing import Any

import numpy as np
import pytest

from backends.feeding import examples_of, feed_of, union_of
from models.types import TensorSpec

MATRIX = TensorSpec("x", "FP32", (-1, 3), ("age", "bmi", "bp"))
HOLES = TensorSpec("features", "FP32", (-1, 3), ("bp", "age", "glu"), nullable=True)
AGE = TensorSpec("age", "INT64", (-1, 1), ("age",))
SEX = TensorSpec("sex", "BYTES", (-1, 1), ("sex",))
BMI = TensorSpec("bmi", "FP32", (-1, 1), ("bmi",), nullable=True)


def test_a_feature_may_lie_in_tensors_of_different_names() -> None:
    whole = union_of({"matrix": (MATRIX,), "apart": (SEX, BMI)})
    assert [(spec.name, spec.features) for spec in whole] == [("x", ("age", "bmi", "bp")), ("sex", ("sex",))]
    feed = feed_of(whole, (SEX, BMI))
    assert feed is not None
    fed = feed({"x": np.array([[53, 33, 82]], np.float32), "sex": np.array([["female"]], object)})
    assert list(fed) == ["sex", "bmi"]
    assert (fed["sex"].tolist(), fed["bmi"].tolist()) == ([["female"]], [[33]])


def test_an_integer_of_one_member_is_a_float_of_another() -> None:
    whole = union_of({"matrix": (MATRIX,), "apart": (AGE, SEX)})
    assert {spec.name: spec.datatype for spec in whole} == {"age": "INT64", "x": "FP32", "sex": "BYTES"}
    feed = feed_of(whole, (MATRIX,))
    assert feed is not None
    fed = feed({"age": np.array([[53]]), "x": np.array([[33, 82]], np.float32), "sex": np.array([["male"]], object)})
    assert fed["x"].dtype == np.float32
    assert fed["x"].tolist() == [[53, 33, 82]]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("FP32", "FP64", "FP64"),
        ("FP64", "FP32", "FP64"),
        ("INT64", "FP32", "INT64"),
        ("FP32", "INT64", "INT64"),
        ("INT64", "INT32", "INT32"),
        ("UINT8", "UINT64", "UINT8"),
        ("BYTES", "BYTES", "BYTES"),
    ],
)
def test_what_both_members_can_take_is_asked_for(one: str, other: str, together: str) -> None:
    other_too = TensorSpec("b", "FP32", (-1, 1), ("b",))
    members = {"x": (TensorSpec("a", one, (-1, 1), ("a",)),), "y": (TensorSpec("a", other, (-1, 1), ("a",)), other_too)}
    assert union_of(members)[0].datatype == together


@pytest.mark.parametrize(("one", "other"), [("BYTES", "FP32"), ("BOOL", "INT64"), ("INT8", "UINT8")])
def test_kinds_that_share_no_values_do_not_fit(one: str, other: str) -> None:
    members = {"x": (TensorSpec("a", one, (-1, 1), ("a",)),), "y": (TensorSpec("a", other, (-1, 1), ("a",)),)}
    with pytest.raises(ValueError, match=f"member y: feature 'a' is {other}, elsewhere {one}"):
        union_of(members)


def test_a_value_may_be_missing_only_if_all_who_use_it_allow_that() -> None:
    whole = union_of({"holes": (HOLES,), "matrix": (MATRIX,)})
    assert {feature: spec.nullable for spec in whole for feature in spec.features} == {
        "bp": False,
        "age": False,
        "glu": True,
        "bmi": False,
    }
    assert len({spec.name for spec in whole}) == len(whole)


def test_a_name_is_never_given_twice() -> None:
    a_b = TensorSpec("c", "FP32", (-1, 2), ("a", "b"))
    with pytest.raises(ValueError, match="feature 'c' has the name of an input that holds other features"):
        union_of({"x": (a_b,), "y": (TensorSpec("words", "BYTES", (-1, 1), ("c",)),)})


def test_examples_are_put_together_from_those_of_the_members() -> None:
    whole = union_of({"matrix": (MATRIX,), "apart": (AGE, SEX)})
    matrix, apart = [(53.0, 33.0, 82.0), (54.0, 34.0, 83.0)], [(60, "female"), (61, "male"), (62, "male")]
    members: list[Any] = [((MATRIX,), matrix), ((AGE, SEX), apart)]
    examples = examples_of(whole, members)
    assert examples == ((53, 33.0, 82.0, "female"), (54, 34.0, 83.0, "male"))
    assert type(examples[0][0]) is int
    assert examples_of(whole, members[:1]) == ()
    assert examples_of(whole, []) == ()
    assert examples_of((MATRIX,), [((MATRIX,), ()), ((MATRIX,), [(1.0, 2.0, 3.0)])]) == ((1.0, 2.0, 3.0),)


def test_a_member_gets_its_own_datatype_from_a_tensor_that_has_another() -> None:
    floats = TensorSpec("x", "FP32", (-1, 1), ("age",))
    feed = feed_of((AGE, SEX), (floats,))
    assert feed is not None
    fed = feed({"age": np.array([[53]]), "sex": np.array([["male"]], object)})
    assert (str(fed["x"].dtype), fed["x"].tolist()) == ("float32", [[53.0]])


def test_examples_of_parts_that_are_fed_by_each_other_leave_out_what_the_whole_is_not_given() -> None:
    whole = (TensorSpec("x", "FP32", (-1, 2), ("height", "age")),)
    first = (TensorSpec("x", "FP32", (-1, 1), ("height",)),)
    last = (TensorSpec("x", "FP32", (-1, 2), ("bmi", "age")),)
    assert examples_of(whole, [(first, [(1.7,)]), (last, [(22.0, 40.0)])]) == ((1.7, 40.0),)
    assert examples_of(whole, [(last, [(22.0, 40.0)])]) == ()

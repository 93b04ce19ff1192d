import numpy as np
import pytest

from aggregator.member import assemble
from backends.feeding import feed_of, union_of
from models.types import TensorSpec, classifier, regressor
from tests.fakes import FEATURES, NUMBER, YES_NO, Fake, serve, sure

AB = TensorSpec("features", "FP32", (-1, 2), ("a", "b"))
CB = TensorSpec("features", "FP32", (-1, 2), ("c", "b"))
COLOUR = TensorSpec("colour", "BYTES", (-1, 1), ("colour",))


def test_members_with_equal_inputs_are_fed_as_it_comes() -> None:
    assert union_of({"x": (AB,), "y": (AB,)}) == (AB,)
    assert feed_of((AB,), (AB,)) is None


def test_an_ensemble_takes_the_union_and_feeds_each_member_by_name() -> None:
    whole = union_of({"x": (AB,), "y": (CB, COLOUR)})
    assert [spec.features for spec in whole] == [("a", "b", "c"), ("colour",)]
    feed = feed_of(whole, (CB, COLOUR))
    assert feed is not None
    inputs = {"features": np.array([[1, 2, 3]], np.float32), "colour": np.array([["red"]], object)}
    fed = feed(inputs)
    assert fed["features"].tolist() == [[3, 2]]
    assert fed["colour"].tolist() == [["red"]]


def test_members_that_disagree_about_a_datatype_do_not_fit() -> None:
    other = TensorSpec("features", "BYTES", (-1, 1), ("b",))
    with pytest.raises(ValueError, match="member y: feature 'b' is BYTES, elsewhere FP32"):
        union_of({"x": (AB,), "y": (other,)})


def test_different_inputs_without_names_do_not_fit() -> None:
    with pytest.raises(ValueError, match="feature names"):
        union_of({"x": (AB,), "y": (TensorSpec("features", "FP32", (-1, 3)),)})


def test_labels_that_do_not_match_are_an_error_never_a_permutation() -> None:
    served = [serve("a", Fake(sure(1)), YES_NO), serve("b", Fake(sure(1)), classifier((FEATURES,), ("no", "maybe")))]
    with pytest.raises(ValueError, match=r"b has the labels \['no', 'maybe'\], expected \['no', 'yes'\]"):
        assemble(served, {}, ())


def test_tasks_do_not_mix() -> None:
    with pytest.raises(ValueError, match="b is for regression, a for classification"):
        assemble([serve("a", Fake(sure(1))), serve("b", Fake([1.0]), NUMBER)], {}, ())


def test_an_ensemble_of_regressors_is_one() -> None:
    whole, _ = assemble([serve("a", Fake([1.0]), NUMBER)], {}, ())
    assert whole == regressor((FEATURES,))

"""How the steps of a chain are fed by name."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from backends.served import Served
from backends.wiring import Miswired, Wiring, wired
from models.types import Signature, TensorSpec, classifier, transformer
from tests.fakes import YES_NO, Fake, serve

Specs = tuple[TensorSpec, ...]


def columns(*features: str, name: str = "features", datatype: str = "FP32", nullable: bool = False) -> TensorSpec:
    return TensorSpec(name, datatype, (-1, len(features)), features, nullable)


def tensor(name: str, *shape: int, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name, datatype, (-1, *shape))


def step(name: str, takes: TensorSpec | Specs, gives: TensorSpec | Specs | Signature) -> Served:
    inputs = takes if isinstance(takes, tuple) else (takes,)
    if isinstance(gives, Signature):
        return serve(name, Fake([]), Signature(gives.task, inputs, gives.outputs, gives.labels))
    return serve(name, Fake([]), transformer(inputs, gives if isinstance(gives, tuple) else (gives,)))


AB = columns("a", "b")


def wrong(*steps: Served, **given: Mapping[str, str]) -> tuple[str, str]:
    with pytest.raises(Miswired) as caught:
        wired(steps, given)
    return caught.value.key, str(caught.value)


def fed(wiring: Wiring, at: int, seen: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
    given = {
        place: np.array(values, object if isinstance(values[0][0], str) else None) for place, values in seen.items()
    }
    return {name: array.tolist() for name, array in wiring.feeds[at](given).items()}


def test_columns_are_taken_by_name_from_the_latest_who_gives_them() -> None:
    steps = (step("one", AB, AB), step("two", AB, columns("b", name="y")), step("three", AB, columns("z")))
    wiring = wired(steps, {})
    assert wiring.inputs == (AB,)
    assert wiring.used == (("features",), ("y",), ())
    seen = {("", "features"): [[0, 0]], ("one", "features"): [[1, 2]], ("two", "y"): [[3]]}
    assert fed(wiring, 1, seen) == {"features": [[1, 2]]}
    assert fed(wiring, 2, seen) == {"features": [[1, 3]]}


def test_what_no_step_gives_is_asked_of_the_request_and_each_feature_once() -> None:
    steps = (step("one", columns("b"), columns("x")), step("two", columns("x", "c", "b"), YES_NO))
    wiring = wired(steps, {})
    assert wiring.inputs == (columns("b", "c"),)
    seen = {("", "features"): [[1, 2]], ("one", "features"): [[9]]}
    assert fed(wiring, 1, seen) == {"features": [[9, 2, 1]]}


def test_a_classifier_gives_its_labels_as_columns_and_its_predictions_as_one() -> None:
    takes = (columns("yes"), columns("predictions", name="predictions", datatype="BYTES"))
    wiring = wired((step("model", AB, YES_NO), step("explain", takes, tensor("text"))), {})
    seen = {("model", "probabilities"): [[0.25, 0.75]], ("model", "predictions"): [["yes"]]}
    assert fed(wiring, 1, seen) == {"features": [[0.75]], "predictions": [["yes"]]}


def test_tensors_without_columns_are_taken_as_a_whole() -> None:
    steps = (step("embed", tensor("image", 2, 2), tensor("v", 3)), step("model", tensor("v", 3), YES_NO))
    wiring = wired(steps, {})
    assert wiring.inputs == (tensor("image", 2, 2),)
    assert fed(wiring, 1, {("embed", "v"): [[1, 2, 3]]}) == {"v": [[1, 2, 3]]}


def test_a_tensor_without_columns_is_right_for_one_with_columns_of_the_same_name_and_width() -> None:
    wiring = wired((step("scale", AB, tensor("features", 2)), step("model", AB, YES_NO)), {})
    assert fed(wiring, 1, {("scale", "features"): [[1, 2]]}) == {"features": [[1, 2]]}


def test_a_tensor_of_the_same_name_with_other_columns_is_another() -> None:
    steps = (
        step("enrich", AB, columns("score")),
        step("model", AB, YES_NO),
        step("end", columns("score", "yes"), YES_NO),
    )
    wiring = wired(steps, {})
    seen = {("", "features"): [[1, 2]], ("enrich", "features"): [[9]], ("model", "probabilities"): [[0.25, 0.75]]}
    assert fed(wiring, 1, seen) == {"features": [[1, 2]]}
    assert fed(wiring, 2, seen) == {"features": [[9, 0.75]]}
    with_two = (step("scale", AB, columns("p", "q")), step("model", AB, YES_NO))
    assert wrong(*with_two)[1].startswith("no later step takes what 'scale' gives")
    assert fed(wired(with_two, {"model": {"features": "scale.features"}}), 1, {("scale", "features"): [[3, 4]]}) == {
        "features": [[3, 4]]
    }


def test_given_names_say_what_a_tensor_or_a_column_is_taken_from() -> None:
    steps = (
        step("scale", AB, tensor("variable", 2)),
        step("model", AB, YES_NO),
        step("last", columns("score"), YES_NO),
    )
    wiring = wired(steps, {"model": {"features": "variable"}, "last": {"score": "model.yes"}})
    seen = {("scale", "variable"): [[1, 2]], ("model", "probabilities"): [[0.25, 0.75]]}
    assert fed(wiring, 1, seen) == {"features": [[1, 2]]}
    assert fed(wiring, 2, seen) == {"features": [[0.75]]}


def test_what_the_request_has_can_be_named_where_a_step_has_said_otherwise() -> None:
    steps = (step("scale", AB, AB), step("explain", columns("a", "raw"), tensor("text")))
    wiring = wired(steps, {"explain": {"raw": "inputs.a"}})
    assert wiring.inputs == (AB,)
    seen = {("", "features"): [[7, 8]], ("scale", "features"): [[1, 2]]}
    assert fed(wiring, 1, seen) == {"features": [[1, 7]]}
    whole = (*steps[:1], step("explain", (AB, columns("x", name="y")), tensor("text")))
    wiring = wired(whole, {"explain": {"features": "inputs.features", "x": "b"}})
    assert fed(wiring, 1, seen) == {"features": [[7, 8]], "y": [[2]]}


def test_an_answer_that_nobody_takes_is_a_mistake_that_shows_what_to_write() -> None:
    key, text = wrong(step("scale", AB, tensor("variable", 2)), step("model", AB, YES_NO))
    assert key == "steps"
    assert text == (
        "no later step takes what 'scale' gives, by name: variable FP32 [-1, 2]; "
        'say who does, as in map = { model = { features = "variable" } }'
    )


@pytest.mark.parametrize(
    ("gives", "takes", "words"),
    [
        (tensor("x", 3), tensor("x", 2), "model takes x as FP32 [-1, 2], one gives it as FP32 [-1, 3]"),
        (columns("a", datatype="BYTES", name="a"), AB, "model takes a as FP32, one gives it as BYTES"),
        (columns("a", datatype="FP32"), columns("a", datatype="INT64"), "model takes a as INT64, one gives it as FP32"),
        (columns("a", nullable=True), AB, "model takes no missing values of a, one may give some"),
    ],
)
def test_what_has_the_name_but_does_not_fit_is_a_mistake(gives: TensorSpec, takes: TensorSpec, words: str) -> None:
    assert wrong(step("one", AB, gives), step("model", takes, YES_NO))[1].startswith(words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": {"fetures": "x"}}, "model: no input 'fetures', did you mean 'features'? there are: features, a, b"),
        (
            {"model": {"features": "y"}},
            "model.features: no answer 'y'; there are: one.x, or inputs.NAME",
        ),
        ({"model": {"features": "x"}}, "model.features is FP32 [-1, 2], but x is FP32 [-1, 3]"),
        (
            {"model": {"a": "y"}},
            "model.a: no answer 'y': no step is before it, or inputs.NAME",
        ),
    ],
)
def test_given_names_must_exist_and_fit(given: Mapping[str, Mapping[str, str]], words: str) -> None:
    key, text = wrong(step("one", AB, tensor("x", 3)), step("model", AB, YES_NO), **given)
    assert (key, text[: len(words)]) == ("map", words)


@pytest.mark.parametrize(
    ("have", "want", "fits"),
    [
        ("INT32", "FP32", True), ("INT32", "INT64", True), ("INT64", "INT32", False), ("UINT8", "INT16", True),
        ("UINT8", "INT8", False), ("INT8", "UINT8", False), ("FP64", "FP32", True), ("FP32", "INT32", False),
        ("BOOL", "FP32", False), ("BYTES", "BYTES", True), ("BOOL", "BOOL", True),
    ],
)  # fmt: skip
def test_values_must_be_right_for_the_datatype(have: str, want: str, fits: bool) -> None:
    steps = (step("one", AB, columns("x", datatype=have)), step("two", columns("x", datatype=want), YES_NO))
    if fits:
        assert wired(steps, {}).inputs == (AB,)
    else:
        assert wrong(*steps)[1].startswith("two takes x as")


def test_steps_must_agree_about_what_they_ask_of_the_request() -> None:
    first = step("one", (AB, columns("w", name="w", datatype="BYTES")), columns("x"))
    assert "feature 'w' is FP32, elsewhere BYTES" in wrong(first, step("two", columns("x", "w"), YES_NO))[1]
    image = step("one", (AB, tensor("image", 2)), columns("x"))
    other = step("two", (columns("x"), tensor("image", 3)), YES_NO)
    assert wrong(image, other)[1] == "two takes image as FP32 [-1, 3], another step as FP32 [-1, 2]"


def test_of_two_answers_of_one_name_each_can_be_meant() -> None:
    three = classifier((AB,), ("no", "maybe", "yes"))
    steps = (step("rough", AB, three), step("fine", columns("maybe", "a"), YES_NO), step("end", columns("yes"), YES_NO))
    seen = {("rough", "probabilities"): [[0.25, 0.5, 0.25]], ("fine", "probabilities"): [[0.125, 0.875]]}
    assert fed(wired(steps, {}), 2, seen) == {"features": [[0.875]]}
    both = (*steps[:2], step("end", columns("yes", "other"), YES_NO))
    assert fed(wired(both, {"end": {"other": "rough.yes"}}), 2, seen) == {"features": [[0.875, 0.25]]}

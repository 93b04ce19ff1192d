"""What the columns of a table are."""

from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped]  # it ships none
import pytest

from models.columns import layouts_of, specs_of
from models.types import TensorSpec


def table(*rows: Any) -> Any:
    array = np.empty((len(rows), len(rows[0])), object)
    for at, row in enumerate(rows):
        array[at] = row
    return array


def test_numbers_are_one_float32_matrix() -> None:
    for x in (np.eye(2), np.eye(2, dtype=bool), np.eye(2, dtype=int), table([1, 0.0], [0, 1.0])):
        ((specs, inputs),) = layouts_of(x, ["a", "b"])
        assert specs == (TensorSpec("features", "FP32", (-1, 2), ("a", "b")),)
        assert inputs["features"].dtype == np.float32
        assert inputs["features"].tolist() == [[1, 0], [0, 1]]


def test_where_a_column_holds_strings_each_has_its_own_type() -> None:
    typed, floats = layouts_of(table([53, "f", 1.5, True], [60, "m", None, False]), ["age", "sex", "bmi", "ill"])
    kinds = [(spec.name, spec.datatype, spec.nullable) for spec in typed[0]]
    assert kinds == [
        ("age", "INT64", False),
        ("sex", "BYTES", False),
        ("bmi", "FP32", True),
        ("ill", "BOOL", False),
    ]
    assert np.isnan(typed[1]["bmi"][1, 0])
    assert [spec.datatype for spec in floats[0]] == ["FP32", "BYTES", "FP32", "FP32"]
    assert floats[1]["age"].tolist() == [[53], [60]]


def test_a_data_frame_names_its_columns_and_may_come_apart() -> None:
    frame = pandas.DataFrame({"age": [53, 60], "bmi": [1.5, np.nan]})
    whole, apart = layouts_of(frame)
    assert whole[0] == (TensorSpec("features", "FP32", (-1, 2), ("age", "bmi"), nullable=True),)
    assert [spec.name for spec in apart[0]] == ["age", "bmi"]


def test_nullable_says_that_numbers_may_be_missing_though_none_is() -> None:
    ((specs, _),) = layouts_of(np.eye(2), nullable=True)
    assert specs[0].nullable
    typed, _ = layouts_of(table([1, "a", 2.5]), nullable=True)
    assert [spec.nullable for spec in typed[0]] == [False, False, True]


@pytest.mark.parametrize("missing", [None, np.nan, pandas.NA])
def test_a_missing_string_is_refused_with_what_to_do(missing: object) -> None:
    with pytest.raises(ValueError, match="column 'sex' has missing strings: fit on '' in their place"):
        layouts_of(table(["f"], [missing]), ["sex"])


def test_other_things_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="column 'when' holds list, expected numbers or strings"):
        layouts_of(table([[1]], [2.0]), ["when"])
    with pytest.raises(ValueError, match=r"expected a table of rows and columns, got the shape \(3,\)"):
        layouts_of(np.ones(3))


def test_features_may_say_their_datatypes() -> None:
    assert specs_of(["a", "b"], nullable=True)[0].features == ("a", "b")
    apart = specs_of(["a", "b:BYTES", "c:d"], nullable=True)
    assert [(spec.name, spec.datatype, spec.nullable) for spec in apart] == [
        ("a", "FP32", True),
        ("b", "BYTES", False),
        ("c:d", "FP32", True),
    ]


def test_what_has_a_shape_is_a_tensor_of_its_own() -> None:
    columns, image = specs_of(["a", "image:UINT8[28,28]", "b"], nullable=True)
    assert (columns.name, columns.features, columns.nullable) == ("features", ("a", "b"), True)
    assert (image.name, image.datatype, image.shape, image.features, image.nullable) == (
        ("image", "UINT8", (-1, 28, 28), (), False)
    )
    assert [spec.shape for spec in specs_of(["v:FP32[384]"], nullable=False)] == [(-1, 384)]
    (column,) = specs_of(["v:FP99[2]"], nullable=False)
    assert column.features == ("v:FP99[2]",)

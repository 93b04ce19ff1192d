"""The data sets are the real ones, as float32, with their own names."""

import numpy as np
import pytest

from models.datasets import DATASETS, dataset_called, split
from models.training import SEED


def test_digits_are_pixels_with_ten_labels() -> None:
    data = dataset_called("digits")
    assert (data.x.shape, data.task) == ((1797, 64), "classification")
    assert data.x.dtype == np.float32
    assert data.labels == tuple("0123456789")
    assert (data.features[0], data.features[-1]) == ("pixel_0_0", "pixel_7_7")
    assert np.bincount(data.y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_diabetes_is_in_the_units_that_were_measured() -> None:
    data = dataset_called("diabetes")
    assert (data.x.shape, data.task, data.labels) == ((442, 10), "regression", ())
    assert data.x.dtype == np.float32
    assert data.features[:4] == ("age", "sex", "bmi", "bp")
    assert data.x[0, :4].tolist() == pytest.approx([59, 2, 32.1, 101])
    assert (data.y.min(), data.y.max()) == (25, 346)


def test_a_split_of_digits_keeps_the_share_of_each_label() -> None:
    rows = split(dataset_called("digits"), SEED)
    assert rows.rows == {"train": 1257, "test": 540}
    assert rows.how == "70% train, 30% test, stratified"
    shares = [np.bincount(y) / len(y) for y in (rows.y_train, rows.y_test)]
    assert np.abs(shares[0] - shares[1]).max() < 2e-3


def test_a_split_of_a_regression_is_shuffled() -> None:
    data = dataset_called("diabetes")
    rows = split(data, SEED)
    assert (rows.rows, rows.how) == ({"train": 309, "test": 133}, "70% train, 30% test, shuffled")
    assert not np.array_equal(rows.y_test, data.y[-133:])
    assert sorted([*rows.y_train, *rows.y_test]) == sorted(data.y)


def test_the_hash_tells_the_data_sets_apart() -> None:
    assert len({dataset_called(name).sha256 for name in DATASETS}) == len(DATASETS) == 3

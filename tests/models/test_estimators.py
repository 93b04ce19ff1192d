"""The members of each built-in ensemble: of different families, good, and compiled."""

import numpy as np
import pytest

from models.datasets import DATASETS, dataset_called, split
from models.estimators import ESTIMATORS
from models.registry import Registry
from models.training import SEED, members

OTHERS = [f"{dataset}/{member}" for dataset in ("digits", "diabetes") for member in members(dataset)]


def test_every_data_set_has_at_least_five_members_with_xgboost_among_them() -> None:
    assert ESTIMATORS.keys() == DATASETS.keys()
    assert all(len(members(dataset)) >= 5 and "xgboost" in members(dataset) for dataset in DATASETS)


@pytest.mark.parametrize("dataset", DATASETS)
def test_members_are_of_different_families(dataset: str) -> None:
    makers = ESTIMATORS[dataset].values()
    finals = [getattr(made, "steps", [("", made)])[-1][1] for made in (make(SEED) for make in makers)]
    families = {type(final).__module__.rpartition(".")[0] + type(final).__name__ for final in finals}
    assert len(families) == len(finals)


@pytest.mark.parametrize("name", OTHERS)
def test_a_member_compiles_and_agrees_on_all_test_rows(others: Registry, name: str) -> None:
    manifest = others.manifest(name)
    assert (manifest.runtime, manifest.compilation.reason) == ("onnx", "")
    assert manifest.compilation.rows == (540 if manifest.signature.labels else 133)


@pytest.mark.parametrize("name", OTHERS)
def test_a_member_knows_more_than_the_training_rows_alone_would_tell(others: Registry, name: str) -> None:
    metrics = others.manifest(name).metrics
    if name.startswith("digits"):
        assert metrics["accuracy"] > 0.95
        assert metrics["log_loss"] < 0.15  # a guess costs 2.3
    else:
        assert metrics["r2"] > 0.4
        assert metrics["rmse"] < 60  # always the mean: 75.5


@pytest.mark.parametrize("name", OTHERS)
def test_a_classifier_is_calibrated_and_a_regressor_is_not(others: Registry, name: str) -> None:
    calibration = others.manifest(name).calibration
    if name.startswith("diabetes"):
        assert calibration is None
        return
    assert calibration
    assert not calibration.at_bound
    assert calibration.log_loss_before
    assert calibration.log_loss_after
    assert calibration.log_loss_after < calibration.log_loss_before


def test_labels_and_features_are_those_of_the_data(others: Registry) -> None:
    for dataset in ("digits", "diabetes"):
        data = dataset_called(dataset)
        for member in members(dataset):
            signature = others.manifest(f"{dataset}/{member}").signature
            assert (signature.task, signature.labels, signature.features) == (data.task, data.labels, data.features)


def test_always_the_mean_is_as_bad_as_was_said() -> None:
    rows = split(dataset_called("diabetes"), SEED)
    assert np.sqrt(((rows.y_test - rows.y_train.mean()) ** 2).mean()) == pytest.approx(75.5, abs=0.1)

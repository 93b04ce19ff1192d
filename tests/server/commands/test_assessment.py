"""What is judged: the models as they are served, on rows that they have not learnt from."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, root_mean_squared_error

from aggregator.rules import make_rule
from models.datasets import dataset_called, split
from models.registry import Registry
from models.training import SEED, members, train
from server.commands.assessment import Assessment, assess, document


@pytest.fixture(scope="module")
def digits(others: Registry) -> Assessment:
    return assess("digits", others, [])


def test_all_members_are_judged_by_what_is_served(others: Registry, digits: Assessment) -> None:
    rows = split(dataset_called("digits"), SEED)
    served = [
        others.load(f"digits/{member}")({"features": rows.x_test})["probabilities"] for member in members("digits")
    ]
    evaluation = digits.evaluation
    assert list(evaluation.members) == members("digits")
    for (member, figures), said in zip(evaluation.members.items(), served, strict=True):
        assert figures["log_loss"] == pytest.approx(log_loss(rows.y_test, said, labels=range(10)), abs=1e-6), member
        assert figures["accuracy"] == (said.argmax(axis=1) == rows.y_test).mean()
    pooled = make_rule("log_pool", "classification", 10).combine(np.stack(served), np.ones((len(served), 540)))
    assert evaluation.rules["log_pool"].figures["log_loss"] == pytest.approx(log_loss(rows.y_test, pooled))
    assert digits.rule == "log_pool"


def test_numbers_are_judged_by_their_error(others: Registry) -> None:
    diabetes = assess("diabetes", others, [])
    rows = split(dataset_called("diabetes"), SEED)
    said = np.stack(
        [others.load(f"diabetes/{m}")({"features": rows.x_test})["predictions"] for m in members("diabetes")]
    )
    figures = diabetes.evaluation.rules["median"].figures
    assert figures == {"rmse": pytest.approx(root_mean_squared_error(rows.y_test, np.median(said, axis=0)))}
    assert diabetes.rule == "mean"


def test_a_version_that_was_just_trained_is_judged_in_place_of_the_champion(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    train("diabetes", registry, only=["ridge", "svr"])
    second = train("diabetes", registry, only=["svr"])
    assert assess("diabetes", registry, []).versions == {"ridge": "1", "svr": "1"}
    assert assess("diabetes", registry, second).versions == {"ridge": "1", "svr": "2"}


def test_a_member_that_may_know_the_test_rows_is_left_out(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    train("diabetes", registry, only=["ridge"])
    train("diabetes", registry, only=["svr"], seed=SEED + 1)
    rows = split(dataset_called("diabetes"), SEED)
    registry.register(registry.original("diabetes/ridge"), "diabetes/knn", rows.x_test)
    found = assess("diabetes", registry, [])
    assert list(found.evaluation.members) == ["ridge"]
    assert found.left_out == {
        "svr": "diabetes/svr@1 was not trained on this split, so it may know these rows",
        "knn": "diabetes/knn@1 was not trained on this split, so it may know these rows",
        "forest": "it is not in the registry",
        "xgboost": "it is not in the registry",
    }


def test_the_document_says_every_difference_with_its_interval(digits: Assessment) -> None:
    told = document(digits)
    assert (told["rows"], told["split"], told["default_rule"], told["left_out"]) == (540, "test", "log_pool", {})
    assert told["interval"] == {"level": 0.95, "resamples": 2000, "method": "paired bootstrap, percentile"}
    assert told["members"]["knn"] == {"version": "1", **digits.evaluation.members["knn"]}
    for name, rule in digits.evaluation.rules.items():
        assert told["rules"][name]["accuracy"] == rule.figures["accuracy"]
        for kind, differences in (("without", rule.without), ("against", rule.against)):
            assert told["rules"][name][kind].keys() == set(members("digits"))
            for member, of in differences.items():
                for metric, one in of.items():
                    expected = {"difference": one.value, "low": one.low, "high": one.high, "shown": one.shown}
                    assert told["rules"][name][kind][member][metric] == expected

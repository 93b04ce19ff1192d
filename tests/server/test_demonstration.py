"""The chorus.toml of the repository: three ensembles of all built-in members, run in both ways."""

from pathlib import Path

from models.datasets import DATASETS
from models.training import members
from server.config import load_config
from server.plan import local_backends
from server.settings import Config

ROOT = Path(__file__).parents[2]


def demonstration() -> Config:
    return load_config(ROOT / "chorus.toml", environ={})


def test_there_is_an_ensemble_for_each_data_set_and_breast_cancer_is_asked_by_default() -> None:
    config = demonstration()
    assert list(config.ensembles) == list(DATASETS)
    assert config.default == "breast-cancer"


def test_each_ensemble_has_all_members_of_its_data_set() -> None:
    config = demonstration()
    local = local_backends(config)
    for dataset, ensemble in config.ensembles.items():
        assert [local[name].model for name in ensemble.members] == [
            f"{dataset}/{member}" for member in members(dataset)
        ]


def test_both_ways_of_running_a_model_are_shown() -> None:
    inline = {name: settings.inline for name, settings in local_backends(demonstration()).items()}
    assert {name for name, within in inline.items() if not within} == set(members("breast-cancer"))
    assert all(name.startswith(("digits-", "diabetes-")) for name, within in inline.items() if within)

"""What tests of several folders share, because it takes seconds to make."""

import pytest

from models.registry import Registry
from models.training import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with the five models of `breast-cancer`. Read it only; copy its folder to break something."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    train("breast-cancer", registry)
    return registry


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with the models of `digits` and `diabetes`. Read it only."""
    registry = Registry(tmp_path_factory.mktemp("others"))
    train("digits", registry)
    train("diabetes", registry)
    return registry

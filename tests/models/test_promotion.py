"""Canaries: a version with a share of the champion's requests, until it has all of them or none."""

from pathlib import Path

import msgspec
import pytest

from models.errors import RegistryError, UnknownName
from models.manifest import Compilation, Manifest
from models.promotion import end_canary, promote, rollback, start_canary
from models.registry import Registry
from models.types import TensorSpec, classifier

NAME = "tulips/forest"
SIGNATURE = classifier((TensorSpec("features", "FP32", (-1, 2), ("left", "right")),), ("a", "b"))
DRAFT = Manifest(NAME, SIGNATURE, "onnx", "model.onnx", "model.onnx", Compilation(True, True))


def add(registry: Registry, draft: Manifest = DRAFT) -> str:
    return registry.add(draft, {"model.onnx": b"a model"}).version


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A champion, a version that nobody wants, and a candidate."""
    registry = Registry(tmp_path / "registry")
    for _ in range(3):
        add(registry)
    return registry


def test_the_candidate_gets_a_share_which_can_grow_and_then_all(registry: Registry) -> None:
    assert registry.canary_share(NAME) is None
    assert start_canary(registry, NAME, 0.05).version == "3"
    assert (registry.canary_share(NAME), registry.resolve(f"{NAME}@canary").version) == (0.05, "3")
    assert registry.resolve(NAME).version == "1"
    add(registry)  # a new candidate
    assert start_canary(registry, NAME, 0.2).version == "3"
    assert registry.canary_share(NAME) == 0.2
    assert promote(registry, NAME).version == "3"
    assert registry.aliases(NAME) == {"champion": "3", "previous": "1", "candidate": "4"}
    assert registry.canary_share(NAME) is None


def test_a_canary_that_has_ended_leaves_everything_as_it_was(registry: Registry) -> None:
    before = registry.aliases(NAME)
    start_canary(registry, f"{NAME}@2", 0.5)
    assert end_canary(registry, NAME) == "2"
    assert (registry.aliases(NAME), registry.canary_share(NAME)) == (before, None)
    assert end_canary(registry, NAME) is None


def test_whoever_else_is_promoted_ends_it(registry: Registry) -> None:
    start_canary(registry, NAME, 0.05)
    assert promote(registry, f"{NAME}@2").version == "2"
    assert (registry.canary_share(NAME), "canary" in registry.aliases(NAME)) == (None, False)
    start_canary(registry, f"{NAME}@3", 0.05)
    assert rollback(registry, NAME).version == "1"
    assert registry.canary_share(NAME) is None
    start_canary(registry, f"{NAME}@3", 0.05)
    assert promote(registry, f"{NAME}@1").version == "1"  # the champion, to all
    assert registry.canary_share(NAME) is None


def test_an_alias_alone_is_no_canary_and_another_version_loses_the_share(registry: Registry) -> None:
    registry.set_alias(NAME, "canary", "2")
    assert registry.canary_share(NAME) is None
    start_canary(registry, NAME, 0.05)
    registry.set_alias(NAME, "other", "2")
    add(registry)
    assert registry.canary_share(NAME) == 0.05  # what others do to the aliases leaves it
    registry.set_alias(NAME, "canary", "3")
    assert registry.canary_share(NAME) is None


def test_what_cannot_be_a_canary(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="tulips/forest@1 is the champion, and has all requests"):
        start_canary(registry, f"{NAME}@1", 0.05)
    for share in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(RegistryError, match="a canary's share is over 0 and under 1"):
            start_canary(registry, NAME, share)
    other = classifier(SIGNATURE.inputs, ("b", "a"))
    add(registry, msgspec.structs.replace(DRAFT, signature=other))
    with pytest.raises(RegistryError, match="to promote it all the same: --force"):
        start_canary(registry, NAME, 0.05)
    assert registry.canary_share(NAME) is None
    assert start_canary(registry, NAME, 0.05, force=True).version == "4"
    with pytest.raises(UnknownName):
        start_canary(registry, "tulips/forst", 0.05)


def test_a_canary_is_not_removed(registry: Registry) -> None:
    start_canary(registry, f"{NAME}@2", 0.05)
    with pytest.raises(RegistryError, match=r"tulips/forest@2 is the canary of .*; end it: chorus models rollback"):
        registry.remove(f"{NAME}@2")


def test_no_alias_can_have_the_name_of_the_share(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="an alias is letters"):
        registry.set_alias(NAME, "canary%", "2")

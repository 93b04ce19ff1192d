"""A backend whose champion has a canary is a split of the two."""

import shutil
from pathlib import Path

import pytest

from models.promotion import end_canary, start_canary
from models.registry import Registry
from server.canaries import with_canaries
from server.checking import damages_of, findings_of
from server.composites.split import SplitSettings
from server.config import read_config
from server.plan import make_plan
from server.settings import LocalSettings

TEXT = """
[registry]
path = "registry"
[backends.forest]
model = "breast-cancer/forest"
timeout_ms = 500
canary_key = "parameters.user"
[backends.pinned]
model = "breast-cancer/forest@1"
[backends.mlp]
model = "breast-cancer/mlp@champion"
[ensembles.vote]
members = ["forest", "mlp", "pinned"]
"""


@pytest.fixture
def folder(trained: Registry, tmp_path: Path) -> Path:
    """A registry of which the forest has a second version, the candidate."""
    shutil.copytree(trained.path, tmp_path / "registry")
    registry = Registry(tmp_path / "registry")
    version = registry.resolve("breast-cancer/forest")
    files = {name: (version.folder / name).read_bytes() for name in version.manifest.files}
    registry.add(version.manifest, files)
    (tmp_path / "chorus.toml").write_text(TEXT)
    return tmp_path


def found(folder: Path, text: str = TEXT) -> list[str]:
    (folder / "chorus.toml").write_text(text)
    draft = read_config(folder / "chorus.toml", {}, {})
    errors = [*findings_of(draft).errors, *damages_of(draft.config)]
    return [str(error).removeprefix(f"{folder / 'chorus.toml'}: ") for error in errors]


def test_its_name_is_that_of_a_split_of_the_two(folder: Path) -> None:
    registry, config = Registry(folder / "registry"), read_config(folder / "chorus.toml", {}, {}).config
    assert with_canaries(config, registry) is config
    start_canary(registry, "breast-cancer/forest", 0.05)
    whole = with_canaries(config, registry)
    assert list(whole.backends) == ["forest@champion", "forest@canary", "pinned", "mlp"]
    split = SplitSettings(
        shares={"forest@champion": 0.95, "forest@canary": 0.05}, key="parameters.user", timeout_ms=500
    )
    assert whole.composites["forest"] == split
    assert (config.default, whole.default) == ("vote", "vote")
    pinned = make_plan(config, registry, Path("/tmp")).pinned
    assert pinned["forest@champion"] == "breast-cancer/forest@1"
    assert pinned["forest@canary"] == "breast-cancer/forest@2"
    assert (pinned["pinned"], pinned["mlp"]) == ("breast-cancer/forest@1", "breast-cancer/mlp@1")
    end_canary(registry, "breast-cancer/forest")
    assert list(make_plan(config, registry, Path("/tmp")).pinned) == ["forest", "pinned", "mlp"]


def test_what_is_asked_by_default_stays_the_same(folder: Path) -> None:
    text = TEXT.partition("[ensembles")[0].replace(
        "[backends.forest]", '[backends.first]\nmodel = "x"\n[backends.forest]'
    )
    (folder / "chorus.toml").write_text(text)
    config = read_config(folder / "chorus.toml", {}, {}).config
    registry = Registry(folder / "registry")
    start_canary(registry, "breast-cancer/forest", 0.05)
    assert (config.default, with_canaries(config, registry).default) == ("first", "first")


def test_every_champion_may_have_one_and_each_keeps_its_settings(folder: Path) -> None:
    registry = Registry(folder / "registry")
    start_canary(registry, "breast-cancer/forest", 0.05)
    text = TEXT.replace('"breast-cancer/mlp@champion"', '"breast-cancer/forest@champion"\nthreads = 2')
    (folder / "chorus.toml").write_text(text)
    whole = with_canaries(read_config(folder / "chorus.toml", {}, {}).config, registry)
    assert {name for name, one in whole.composites.items() if isinstance(one, SplitSettings)} == {"forest", "mlp"}
    canary = whole.backends["mlp@canary"]
    assert isinstance(canary, LocalSettings)
    assert (canary.model, canary.threads) == ("breast-cancer/forest@canary", 2)


def test_a_check_knows_the_canary_and_tells_of_it_where_the_file_has_it(folder: Path) -> None:
    registry = Registry(folder / "registry")
    start_canary(registry, "breast-cancer/forest", 0.05)
    assert found(folder) == []
    path = registry.resolve("breast-cancer/forest@2").folder / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"something else")
    (line,) = found(folder)
    assert line.startswith("[backends.forest] model: its canary: ")
    assert "is not what was registered" in line


@pytest.mark.parametrize("canary", [True, False])
def test_the_key_is_checked_whether_there_is_a_canary_or_not(folder: Path, canary: bool) -> None:
    if canary:
        start_canary(Registry(folder / "registry"), "breast-cancer/forest", 0.05)
    assert found(folder, TEXT.replace("parameters.user", "inputs.mean radius")) == []
    (line,) = found(folder, TEXT.replace("parameters.user", "inputs.mean radios"))
    assert line.startswith("[backends.forest] canary_key: no feature 'mean radios', did you mean 'mean radius'?")
    (line,) = found(folder, TEXT.replace("parameters.user", "user"))
    assert line == "[backends.forest] canary_key: expected inputs.NAME or parameters.NAME, got 'user'"


def test_a_key_that_means_something_else_is_refused(folder: Path) -> None:
    (line,) = found(folder, TEXT.replace("parameters.user", "parameters.quorum"))
    assert line == "[backends.forest] canary_key: 'quorum' means something already: choose another name"


def test_aliases_that_cannot_be_read_are_told_of_the_backend(folder: Path) -> None:
    (folder / "registry/breast-cancer/forest/aliases.json").write_text("{")
    assert [line.partition(":")[0] for line in found(folder)] == ["[backends.forest] model", "[backends.pinned] model"]

"""A first configuration: right as it is, and right with every line switched on."""

import re
import shutil
from pathlib import Path

import msgspec

from models.registry import Registry
from server.checking import findings_of
from server.config import Draft, read_config
from server.drafting import contents_of, demonstration, written
from tests.running import MEMBERS


def read(folder: Path, text: str) -> Draft:
    path = folder / "chorus.toml"
    path.write_text(text)
    return read_config(path, {}, {})


def test_a_registrys_models_are_backends_and_those_of_one_folder_an_ensemble(trained: Registry, tmp_path: Path) -> None:
    contents = contents_of(trained)
    assert contents.backends == {name: f"breast-cancer/{name}" for name in sorted(MEMBERS)}
    assert contents.ensembles == {"breast-cancer": sorted(MEMBERS)}
    assert not contents.left_out


def test_what_is_written_is_right_after_training(trained: Registry, tmp_path: Path) -> None:
    (tmp_path / ".chorus").mkdir()
    (tmp_path / ".chorus" / "registry").symlink_to(trained.path)
    for contents in (contents_of(trained), demonstration()):
        findings = findings_of(read(tmp_path, written(contents)))
        assert findings.lines() == []


def test_every_line_can_be_switched_on(tmp_path: Path) -> None:
    text = written(demonstration())
    switched = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    draft = read(tmp_path, switched)
    assert draft.mistakes == ()
    assert draft.config.backends.keys() > set(MEMBERS)
    assert "with-url" in draft.config.backends


def test_every_line_that_is_off_shows_what_holds_without_it(tmp_path: Path) -> None:
    text = written(demonstration())
    plain = read(tmp_path, text).config
    defaults = (
        r"max_timeout_ms|max_body_bytes|access_log|loop|fronts|hung_ms|limit|queue|inline|threads|weights|required"
    )
    keys = rf"^# (?=(host|{defaults}|linger_ms) = )"
    assert read(tmp_path, re.sub(keys, "", text.partition("# [backends.with-")[0], flags=re.MULTILINE)).config == (
        read(tmp_path, text.partition("# [backends.with-")[0]).config
    )
    assert plain.ensembles["breast-cancer"].quorum == 3


def test_models_of_one_name_are_told_apart(trained: Registry, tmp_path: Path) -> None:
    copy = tmp_path / "registry"
    shutil.copytree(trained.path, copy)
    registry = Registry(copy)
    for name in ("other/forest", "alone", "deep/er/forest"):
        _add(registry, name)
    contents = contents_of(registry)
    assert contents.backends["other-forest"] == "other/forest"
    assert contents.backends["breast-cancer-forest"] == "breast-cancer/forest"
    assert contents.backends["alone"] == "alone"
    assert list(contents.ensembles) == ["breast-cancer"]
    assert not read(tmp_path, written(contents)).mistakes


def _add(registry: Registry, name: str) -> None:
    """The forest under another name."""
    source = registry.resolve("breast-cancer/forest")
    files = {file: (source.folder / file).read_bytes() for file in source.manifest.files}
    registry.add(msgspec.structs.replace(source.manifest, name=name), files)

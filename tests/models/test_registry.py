"""Versions, aliases, and what happens when either is damaged."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from models.errors import RegistryError, UnknownName
from models.manifest import Compilation, Manifest
from models.promotion import promote, rollback
from models.registry import Registry, Version
from models.types import Signature, TensorSpec, classifier

SIGNATURE = classifier((TensorSpec("features", "FP32", (-1, 2), ("left", "right")),), ("a", "b"))


def draft(name: str) -> Manifest:
    return Manifest(name, SIGNATURE, "onnx", "model.onnx", "original.skops", Compilation(True, True))


def add(registry: Registry, name: str = "tulips/forest", contents: bytes = b"a model") -> Version:
    return registry.add(draft(name), {"original.skops": b"the original", "model.onnx": contents})


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def test_a_registry_that_does_not_exist_yet_is_empty(registry: Registry) -> None:
    assert registry.names() == []
    with pytest.raises(UnknownName, match="registry is empty"):
        registry.resolve("tulips/forest")


def test_what_was_added_is_found_again_whole(registry: Registry) -> None:
    added = add(registry)
    found = registry.verify("tulips/forest")
    assert found == added
    assert str(found) == "tulips/forest@1"
    assert found.manifest.signature == SIGNATURE
    assert (found.folder / "model.onnx").read_bytes() == b"a model"
    assert found.manifest.created.endswith("+00:00")


def test_files_are_read_only(registry: Registry) -> None:
    for path in add(registry).folder.iterdir():
        assert path.stat().st_mode & 0o222 == 0


def test_the_first_version_is_champion_and_later_ones_are_candidate(registry: Registry) -> None:
    for _ in range(3):
        add(registry)
    assert registry.versions("tulips/forest") == ["1", "2", "3"]
    assert registry.aliases("tulips/forest") == {"champion": "1", "candidate": "3"}


def test_a_reference_is_a_name_an_alias_or_a_version(registry: Registry) -> None:
    for _ in range(3):
        add(registry)
    references = ("tulips/forest", "tulips/forest@champion", "tulips/forest@candidate", "tulips/forest@2")
    assert [registry.resolve(reference).version for reference in references] == ["1", "1", "3", "2"]


def test_versions_are_ordered_as_numbers(registry: Registry) -> None:
    for _ in range(11):
        add(registry)
    assert registry.versions("tulips/forest")[-2:] == ["10", "11"]


def test_moving_an_alias_back_is_a_rollback(registry: Registry) -> None:
    add(registry)
    add(registry)
    registry.set_alias("tulips/forest", "champion", "2")
    assert registry.resolve("tulips/forest").version == "2"
    registry.set_alias("tulips/forest", "champion", "1")
    assert registry.resolve("tulips/forest").version == "1"


def test_an_alias_needs_a_version_and_is_no_number(registry: Registry) -> None:
    add(registry)
    with pytest.raises(UnknownName, match="no version or alias of tulips/forest '7'"):
        registry.set_alias("tulips/forest", "champion", "7")
    for alias in ("2", "", "a/b", ".hidden"):
        with pytest.raises(RegistryError, match="an alias is"):
            registry.set_alias("tulips/forest", alias, "1")


def test_names_may_nest_and_are_listed(registry: Registry) -> None:
    for name in ("tulips/forest", "tulips", "a/b/c", "x-1.2_y"):
        add(registry, name)
    assert registry.names() == ["a/b/c", "tulips", "tulips/forest", "x-1.2_y"]


@pytest.mark.parametrize(
    "name", ["", "/", "../up", "a/../b", "a//b", "/a", "a/", ".hidden", "a/.b", "a b", "a/1", "a@b", "ä", "a\n"]
)
def test_a_name_that_leads_elsewhere_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryError, match="a model's name is"):
        add(registry, name)
    with pytest.raises(UnknownName):
        registry.resolve(name)


def test_an_unknown_name_is_told_what_there_is_and_what_was_meant(registry: Registry) -> None:
    add(registry)
    add(registry, "tulips/mlp")
    with pytest.raises(UnknownName) as caught:
        registry.resolve("tulips/forrest")
    assert str(caught.value) == (
        "no model 'tulips/forrest', did you mean 'tulips/forest'? there are: tulips/forest, tulips/mlp"
    )


def test_an_unknown_alias_is_told_what_there_is(registry: Registry) -> None:
    add(registry)
    with pytest.raises(UnknownName, match="of tulips/forest 'champoin', did you mean 'champion'"):
        registry.resolve("tulips/forest@champoin")


def test_missing_are_the_references_that_mean_nothing(registry: Registry) -> None:
    add(registry)
    references = ["tulips/mlp", "tulips/forest", "tulips/forest@2", "tulips/forest@champion"]
    assert registry.missing(references) == ["tulips/mlp", "tulips/forest@2"]


@pytest.mark.parametrize("file", ["model.onnx", "original.skops"])
def test_a_file_whose_hash_differs_is_refused(registry: Registry, file: str) -> None:
    path = add(registry).folder / file
    path.chmod(0o644)
    path.write_bytes(b"another model")
    for use in (registry.verify, registry.load):
        with pytest.raises(RegistryError, match=rf"{file} is not what was registered.*register the model again"):
            use("tulips/forest")


def test_a_missing_file_is_refused(registry: Registry) -> None:
    (add(registry).folder / "model.onnx").unlink()
    with pytest.raises(RegistryError, match=r"cannot read .*model\.onnx: No such file.*register the model again"):
        registry.verify("tulips/forest")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: b"\xff" + text,
        lambda text: text.replace(b'"runtime": "onnx"', b'"runtime": "pickle"'),
        lambda text: text.replace(b"model.onnx", b"../model.onnx"),
        lambda text: text.replace(b'"artefact": "model.onnx"', b'"artefact": "other.onnx"'),
        lambda text: text.replace(b'"version": "1"', b'"version": "2"'),
        lambda text: text.replace(b"tulips", b"roses"),
    ],
)
def test_a_damaged_manifest_is_refused(registry: Registry, damage: Callable[[bytes], bytes]) -> None:
    path = add(registry).folder / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RegistryError, match="manifest"):
        registry.resolve("tulips/forest")


def test_an_alias_whose_version_is_gone_says_so(registry: Registry) -> None:
    add(registry)
    shutil.rmtree(add(registry).folder)
    with pytest.raises(RegistryError, match="tulips/forest@candidate is version 2, which is gone; left are: 1"):
        registry.resolve("tulips/forest@candidate")


def test_damaged_aliases_are_refused_and_can_be_set_anew(registry: Registry) -> None:
    path = add(registry).folder.parent / "aliases.json"
    path.chmod(0o644)
    path.write_text("{")
    with pytest.raises(RegistryError, match=r"aliases\.json"):
        registry.resolve("tulips/forest")
    path.unlink()
    assert registry.versions("tulips/forest") == ["1"]
    registry.set_alias("tulips/forest", "champion", "1")
    assert registry.resolve("tulips/forest").version == "1"


def test_a_write_that_fails_leaves_nothing(registry: Registry) -> None:
    with pytest.raises(OSError, match="no/such"):
        registry.add(draft("tulips/forest"), {"model.onnx": b"a model", "no/such/folder": b""})
    assert list((registry.path / "tulips/forest").iterdir()) == []
    assert add(registry).version == "1"


CRASHES = """
import os, sys
from pathlib import Path
from models.registry import Registry
from models.manifest import Compilation, Manifest
from models.types import classifier

STEPS = {"open", "write", "flush", "fsync", "mkdir", "rename", "replace", "chmod", "close", "rmdir", "unlink"}
manifest = Manifest("a", classifier((), ("x", "y")), "onnx", "model.onnx", "model.onnx", Compilation(True, True))

def add(path, left):
    def crash(frame, event, function):
        nonlocal left
        if event in ("c_call", "c_return") and function.__name__ in STEPS:
            left -= 1
            if left == 0:
                os._exit(9)
    registry = Registry(path)
    registry.add(manifest, {"model.onnx": b"a model"})
    sys.setprofile(crash)
    registry.add(manifest, {"model.onnx": b"a model"})
    os._exit(0)

step, crashed = 0, True
while crashed:
    step += 1
    child = os.fork() or add(Path(sys.argv[1], str(step)), step)
    crashed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


@pytest.mark.processes
def test_a_crash_at_any_step_leaves_a_whole_version_or_none(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", CRASHES, tmp_path], check=True)
    one, two = {"champion": "1"}, {"champion": "1", "candidate": "2"}
    found = []
    for path in sorted(tmp_path.iterdir(), key=lambda path: int(path.name)):
        registry = Registry(path)
        found.append((registry.versions("a"), registry.aliases("a")))
        for version in registry.versions("a"):
            registry.verify(f"a@{version}")
        assert add(registry, "a").version == str(len(found[-1][0]) + 1)  # what is left over is no obstacle
    stages = [(["1"], one), (["1", "2"], one), (["1", "2"], two)]
    assert len(found) > 30
    assert found == sorted(found, key=stages.index)
    assert {stages.index(stage) for stage in found} == {0, 1, 2}


def test_all_who_register_at_once_succeed(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda number: add(registry, contents=b"%d" % number), range(24)))
    assert sorted(int(version.version) for version in added) == list(range(1, 25))
    for number, version in enumerate(added):
        assert (registry.verify(str(version)).folder / "model.onnx").read_bytes() == b"%d" % number
    assert registry.aliases("tulips/forest") == {"champion": "1", "candidate": "24"}


def test_a_promotion_remembers_who_was_champion_and_a_rollback_is_one_step(registry: Registry) -> None:
    for _ in range(3):
        add(registry)
    assert promote(registry, "tulips/forest").version == "3"  # the candidate, which it then is no longer
    assert registry.aliases("tulips/forest") == {"champion": "3", "previous": "1"}
    assert promote(registry, "tulips/forest@2").version == "2"
    assert rollback(registry, "tulips/forest").version == "3"
    assert registry.aliases("tulips/forest") == {"champion": "3", "previous": "2"}
    assert rollback(registry, "tulips/forest").version == "2"


def test_promoting_the_champion_changes_nothing(registry: Registry) -> None:
    add(registry)
    assert promote(registry, "tulips/forest@1").version == "1"
    assert registry.aliases("tulips/forest") == {"champion": "1"}
    with pytest.raises(RegistryError, match="tulips/forest has no previous champion"):
        rollback(registry, "tulips/forest")
    with pytest.raises(UnknownName, match="no version or alias of tulips/forest 'candidate'"):
        promote(registry, "tulips/forest")


OTHER_LABELS = classifier(SIGNATURE.inputs, ("b", "a"))
OTHER_INPUTS = classifier((TensorSpec("features", "FP32", (-1, 2), ("right", "left")),), ("a", "b"))


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (OTHER_LABELS, r"is for classification \['b', 'a'\], not classification \['a', 'b'\].*--force"),
        (OTHER_INPUTS, "takes other inputs than the champion"),
    ],
)
def test_what_callers_would_notice_is_promoted_by_force_alone(
    registry: Registry, signature: Signature, said: str
) -> None:
    add(registry)
    other = msgspec.structs.replace(draft("tulips/forest"), signature=signature)
    registry.add(other, {"original.skops": b"the original", "model.onnx": b"a model"})
    with pytest.raises(RegistryError, match=said):
        promote(registry, "tulips/forest")
    assert registry.resolve("tulips/forest").version == "1"
    assert promote(registry, "tulips/forest", force=True).version == "2"


def test_a_version_that_an_alias_points_at_is_not_removed(registry: Registry) -> None:
    for _ in range(3):
        add(registry)
    for version, alias in (("1", "champion"), ("3", "candidate")):
        with pytest.raises(RegistryError, match=f"tulips/forest@{version} is the {alias} of tulips/forest"):
            registry.remove(f"tulips/forest@{version}")
    with pytest.raises(RegistryError, match="say which version: tulips/forest@1, not 'tulips/forest'"):
        registry.remove("tulips/forest")
    assert registry.remove("tulips/forest@2").version == "2"
    assert registry.versions("tulips/forest") == ["1", "3"]


def test_the_number_of_a_removed_version_is_never_given_again(registry: Registry) -> None:
    for _ in range(3):
        add(registry)
    registry.set_alias("tulips/forest", "candidate", "1")
    registry.remove("tulips/forest@3")
    assert add(registry).version == "4"
    assert registry.names() == ["tulips/forest"]


def test_no_version_runs_python(registry: Registry) -> None:
    registry.add(msgspec.structs.replace(draft("evil"), runtime="python"), {"original.skops": b"", "model.onnx": b""})
    with pytest.raises(RegistryError, match="names the runtime 'python', which no version can have"):
        registry.load("evil")


def test_a_registry_can_be_moved(registry: Registry, tmp_path: Path) -> None:
    add(registry)
    shutil.move(registry.path, tmp_path / "elsewhere")
    assert Registry(tmp_path / "elsewhere").verify("tulips/forest").version == "1"

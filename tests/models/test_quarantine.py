"""Files that crash, hang or fill their reader do so in a process of their own."""

import random
import struct
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest
import xgboost
from sklearn.datasets import load_iris

from models import quarantine
from models.admission import Application
from models.errors import RegistryError
from models.quarantine import examined
from models.registry import Registry

pytestmark = pytest.mark.processes

LABELS = ("setosa", "versicolor", "virginica")

SEARCH = """
import os, random, resource, signal, sys, xgboost
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
good, chance = open(sys.argv[1], "rb").read(), random.Random(7)
for _ in range(1000):
    damaged = bytearray(good)
    for _ in range(8):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    child = os.fork()
    if not child:
        try:
            xgboost.Booster().load_model(damaged)
        finally:
            os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGSEGV:
        open(sys.argv[1], "wb").write(damaged)
        break
else:
    sys.exit("nothing kills it any more")
"""


@cache
def good() -> bytes:
    x, y = load_iris(return_X_y=True)
    return bytes(xgboost.XGBClassifier(n_estimators=3).fit(x, y).get_booster().save_raw("ubj"))


def bring(folder: Path, contents: bytes, file: str = "m.ubj") -> Application:
    (folder / file).write_bytes(contents)
    return Application(name="own/model", file=str(folder / file), labels=LABELS)


@cache
def killer() -> bytes:
    """A damaged file that ends the process of whoever reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.ubj")
        path.write_bytes(good())
        subprocess.run([sys.executable, "-c", SEARCH, path], check=True, capture_output=True)
        return path.read_bytes()


def verdict(application: Application) -> str:
    """Why it is refused; empty if it is not. Anything but a refusal is a bug."""
    try:
        examined(application)
    except RegistryError as error:
        return str(error)
    return ""


def test_what_a_good_file_is_comes_back(tmp_path: Path) -> None:
    manifest, files = examined(bring(tmp_path, good()))
    version = Registry(tmp_path / "registry").add(manifest, files)
    assert sorted(version.manifest.files) == ["model.onnx", "original.ubj"]
    assert files["original.ubj"] == good()


def test_a_file_that_crashes_its_library_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"m\.ubj: no model that can be read: it crashes its library \(SIG\w+\)$"):
        examined(bring(tmp_path, killer()))


def test_a_length_that_no_machine_could_hold_is_one_line(tmp_path: Path) -> None:
    at = good().index(b"#L") + 2
    huge = good()[:at] + struct.pack(">q", 1 << 40) + good()[at + 8 :]
    with pytest.raises(RegistryError) as caught:
        examined(bring(tmp_path, huge))
    assert "\n" not in str(caught.value)


def test_a_small_file_that_unfolds_is_stopped_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "MEMORY_BYTES", 1 << 30)  # it takes a time that grows with the square of this
    with (
        zipfile.ZipFile(tmp_path / "m.skops", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("schema.json", "w", force_zip64=True) as entry,
    ):
        for _ in range(1024):
            entry.write(b" " * (1 << 20))
    with pytest.raises(RegistryError, match="no skops file that can be loaded: MemoryError"):
        examined(Application(name="own/model", file=str(tmp_path / "m.skops")))


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "WALL_SECONDS", 0.05)  # less than any child needs
    with pytest.raises(RegistryError, match=r"it took longer than 0\.05 s"):
        examined(bring(tmp_path, good()))


def test_damaged_files_of_every_kind_end_as_one_line_or_as_a_model(tmp_path: Path) -> None:
    chance = random.Random(11)
    for _ in range(4):
        damaged = bytearray(good())
        for _ in range(8):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        said = verdict(bring(tmp_path, bytes(damaged)))
        assert "\n" not in said
        assert len(said) < 400

"""What docs/compositions.md shows: a kind of one's own is a file and a line, and every table in it is right."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from server.schema import schema
from tests.running import Running

ROOT = Path(__file__).parent.parent.parent.parent
PAGE = (ROOT / "docs/compositions.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
PACKAGES = ("models", "backends", "aggregator", "server")

CODE = """
def never(c): raise RuntimeError("never")
def always(c): return ["yes"] * len(c["x"])
"""
CONFIG = """
[backends.never]
python = "own:never"
features = ["x"]
labels = ["no", "yes"]
inline = true
[backends.always]
python = "own:always"
features = ["x"]
labels = ["yes", "no"]
inline = true
[failovers.safe]
first = "never"
then = "always"
[ensembles.vote]
members = ["safe", "always"]
[chains.around]
steps = ["safe"]
[failovers.nested]
first = "around"
then = "vote"
"""


def worked_example() -> tuple[str, str]:
    """The file of a kind, and the line; what else is text there are pictures and figures."""
    (file,) = [block for kind, block in BLOCKS if kind == "python"]
    (line,) = [block for kind, block in BLOCKS if kind == "text" and block.startswith('    "')]
    return file, line


def test_the_page_has_tables_of_every_kind_and_a_worked_example() -> None:
    tables = {re.match(r"\[(\w+)", block)[1] for kind, block in BLOCKS if kind == "toml" and block.startswith("[")}  # type: ignore[index]
    assert {"backends", "switches", "splits", "cascades", "shadows"} <= tables
    file, line = worked_example()
    assert (file.count("KIND = Kind("), line.count("\n")) == (1, 1)


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "toml"])
def test_what_it_shows_of_a_configuration_is_valid(block: str) -> None:
    text = block if block.startswith("[") else f'[chains.c]\nsteps = ["a"]\n{block}'
    jsonschema.Draft202012Validator(schema()).validate(tomllib.loads(text))


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code, with the worked example put where the page says."""
    folder = tmp_path_factory.mktemp("copied")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    file, line = worked_example()
    (folder / "server/composites/failover.py").write_text(file)
    kinds = folder / "server/composites/__init__.py"
    before = kinds.read_text()
    kinds.write_text(before.replace("FILES = (\n", f"FILES = (\n{line}"))
    assert kinds.read_text().count("\n") == before.count("\n") + 1
    (folder / "own.py").write_text(CODE)
    (folder / "chorus.toml").write_text(CONFIG)
    return folder


def chorus(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", *words]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )


@pytest.mark.processes
def test_a_kind_of_ones_own_is_checked_like_any_other(copied: Path) -> None:
    done = chorus(copied, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 failovers" in done.stdout
    assert '"[failovers.NAME]"' in chorus(copied, "config", "schema").stdout
    wrong = CONFIG.replace('then = "always"', 'than = "always"').replace('first = "around"', 'first = "nested"')
    (copied / "wrong.toml").write_text(wrong)
    lines = chorus(copied, "check", "-c", "wrong.toml").stderr
    assert "[failovers.safe] than: unknown key; did you mean 'then'?" in lines
    assert "[failovers.nested] first: nothing can be a part of itself: nested > nested" in lines


@pytest.fixture
def server(copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    monkeypatch.setenv("PYTHONPATH", str(copied))
    monkeypatch.chdir(copied)
    with Running(copied / "chorus.toml", tmp_path) as running:
        yield running


@pytest.mark.processes
def test_a_kind_of_ones_own_is_served_alone_and_within_others(server: Running) -> None:
    status, answer = server.ask("/v1/models/safe:predict", {"instances": [[1]]}, {"X-Request-Id": "one"})
    assert (status, answer["labels"], answer["probabilities"]) == (200, ["no", "yes"], [[0, 1]])
    assert answer["outcome"]["degraded"] is True
    assert [(part["name"], part["fate"]) for part in answer["parts"]] == [("never", "failed"), ("always", "ok")]
    status, answer = server.ask("/predict", {"instances": [[1]]})
    assert (status, answer["outcome"]["model"]) == (200, "nested")
    (around,) = answer["parts"]
    (safe,) = around["parts"]
    assert [part["name"] for part in safe["parts"]] == ["never", "always"]
    assert server.ask("/v1/models/vote:predict", {"instances": [[1]]})[1]["outcome"]["degraded"] is True
    assert server.ask("/")[1]["models"]["safe"]["kind"] == "failover"
    assert server.ask("/debug/backends/safe")[1]["then"] == "always"
    assert [part["name"] for part in server.ask("/debug/requests/one")[1]["parts"]] == ["never", "always"]
    metrics = server.ask("/metrics")[1].decode()
    assert 'chorus_part_fates_total{composition="safe",fate="failed",part="never",reason="error"}' in metrics

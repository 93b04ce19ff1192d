"""`chorus train`, as a user runs it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.registry import Registry
from models.training import members
from server.commands.assessment import assess, document
from server.commands.verdict import verdict

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]
BOTH = "".join(
    f'[backends.{name}]\nmodel = "diabetes/{name}"\n' for name in ("ridge", "svr")
)  # fmt: skip


def chorus(folder: Path, *arguments: str) -> tuple[int, str, str]:
    config = folder / "chorus.toml"
    if not config.exists():
        config.write_text(BOTH)
    command = [sys.executable, "-m", "server", "train", "-c", str(config), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def registry(folder: Path) -> Registry:
    return Registry(folder / ".chorus/registry")


def test_json_is_one_document_on_standard_output_and_progress_is_elsewhere(tmp_path: Path) -> None:
    code, said, progress = chorus(tmp_path, "diabetes", "--json")
    told: dict[str, Any] = msgspec.json.decode(said)
    assert code == 0
    assert progress.splitlines() == [f"trained diabetes/{member}" for member in members("diabetes")] + [
        "evaluated diabetes"
    ]
    assert told["registry"] == str(registry(tmp_path).path)
    assert [(one["name"], one["version"], one["runtime"]) for one in told["models"]] == [
        (f"diabetes/{member}", "1", "onnx") for member in members("diabetes")
    ]
    found = assess("diabetes", registry(tmp_path), [])
    expected = msgspec.json.decode(msgspec.json.encode({**document(found), "verdict": verdict(found)}))
    assert told["evaluations"] == {"diabetes": expected}


def test_without_a_terminal_the_report_is_plain_lines_that_end_with_the_verdict(tmp_path: Path) -> None:
    code, said, errors = chorus(tmp_path, "diabetes")
    assert (code, errors) == (0, "")
    assert "\x1b" not in said
    found = assess("diabetes", registry(tmp_path), [])
    lines = said.splitlines()
    assert lines[:2] == ["trained diabetes/ridge", "trained diabetes/svr"]
    assert verdict(found) in lines
    assert "what leaving a member out would change:" in lines
    assert any("no difference shown" in line for line in lines)
    assert lines[-1].startswith("5 models in ")
    assert "In brackets: 95 % intervals of 2,000 paired resamples" in said


def test_missing_trains_what_is_configured_and_lacking_and_then_nothing(tmp_path: Path) -> None:
    code, said, _ = chorus(tmp_path, "--missing")
    assert code == 0
    assert said.splitlines()[:3] == ["trained diabetes/ridge", "trained diabetes/svr", "evaluated diabetes"]
    assert "not judged: knn; it is not in the registry" in said
    assert "what leaving a member out would change:" not in said.splitlines()
    assert registry(tmp_path).names() == ["diabetes/ridge", "diabetes/svr"]
    assert chorus(tmp_path, "--missing") == (0, "", "")
    code, said, errors = chorus(tmp_path, "--missing", "--json")
    assert (code, errors) == (0, "")
    assert msgspec.json.decode(said)["models"] == []


def test_missing_of_one_data_set_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "chorus.toml").write_text(f'{BOTH}[backends.cancer]\nmodel = "breast-cancer/logreg"\n')
    assert chorus(tmp_path, "--missing", "diabetes")[0] == 0
    assert registry(tmp_path).names() == ["diabetes/ridge", "diabetes/svr"]


@pytest.mark.parametrize("options", [(), ("--missing",), ("--json",)])
def test_an_unknown_data_set_is_one_line_before_anything_is_trained(tmp_path: Path, options: tuple[str, ...]) -> None:
    there_are = "there are: breast-cancer, digits, diabetes"
    error = f"error: no data set 'diabtes', did you mean 'diabetes'? {there_are}\n"
    assert chorus(tmp_path, "digits", "diabtes", *options) == (1, "", error)
    assert registry(tmp_path).names() == []

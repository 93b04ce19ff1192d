"""The page about users' own models: every command on it, in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from models.registry import Registry
from tests.running import Running

pytestmark = pytest.mark.processes

PAGE = Path(__file__).parents[2] / "examples/own-models/README.md"
ORIGIN = "http://127.0.0.1:8080"


def commands() -> list[str]:
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def shell(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "own-models"
    shutil.copytree(PAGE.parent, folder, ignore=shutil.ignore_patterns("files", ".chorus", "__pycache__"))
    before, after = (run := commands())[: (at := run.index("chorus serve"))], run[at + 1 :]
    printed = "".join(shell(command, folder) for command in before)
    for line in re.findall(r"^    (.+)$", PAGE.read_text(), re.MULTILINE):
        assert re.sub(r"in [0-9.]+ s, in \S+", "", line).strip() in re.sub(r"in [0-9.]+ s, in \S+", "", printed)
    registry = Registry(folder / ".chorus/registry")
    assert {name: registry.manifest(name).runtime for name in registry.names()} == {
        "diabetes/boosted": "onnx",
        "diabetes/linear": "onnx",
        "diabetes/spline": "sklearn",
        "diabetes/typed": "onnx",
    }
    with Running(folder / "chorus.toml", tmp_path) as server:
        (asking,) = [command for command in after if command.startswith("curl")]
        answer = msgspec.json.decode(shell(asking.replace(ORIGIN, server.origin), folder))
        assert (answer["predictions"], answer["outcome"]["status"]) == (["high"], "complete")
        assert {name: said["fate"] for name, said in answer["members"].items()} == dict.fromkeys(
            ["linear", "boosted", "spline", "typed", "rules"], "ok"
        )
        _check_rows(server)
    for command in after:
        if not command.startswith("curl"):
            shell(command, folder)
    assert registry.aliases("diabetes/boosted") == {"champion": "1", "previous": "2"}


def _check_rows(server: Running) -> None:
    """Rows as lists and as objects, and what may not be missing."""
    features = server.ask("/v2/models/diabetes")[1]["parameters"]["features"]
    example = server.ask("/")[1]["models"]["diabetes"]["example"]["instances"][0]
    named = dict(reversed(list(zip(features, example, strict=True))))
    status, answer = server.ask("/predict", {"instances": [example, named]})
    assert status == 200, answer
    assert answer["probabilities"][0] == answer["probabilities"][1]
    assert answer["outcome"]["answered"] == 5
    for name, at in ((name, features.index(name)) for name in features):
        status, problem = server.ask("/predict", {"instances": [[*example[:at], None, *example[at + 1 :]]]})
        laboratory = name in ("tc", "ldl", "hdl", "tch", "ltg", "glu")
        assert (status, problem.get("where")) == ((200, None) if laboratory else (400, f"$.instances[0][{at}]"))

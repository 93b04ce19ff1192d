"""The pages of the examples: every command on them, in order, and what each page says that it prints."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.registry import Registry
from tests.running import Running

pytestmark = pytest.mark.processes

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGES = ["web-single", "synchronous", "preprocess", "serial", "parallel", "cascade", "shadow"]
ORIGIN = "http://127.0.0.1:8080"
_BLOCK = re.compile(r"^```sh\n(.*?)^```\n\n?((?:^    [^\n]+\n)*)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of a page, and what it says of their output."""

    commands: list[str]
    shown: list[str]


def steps(page: str) -> Iterator[Step]:
    for commands, shown in _BLOCK.findall(page):
        yield Step(commands.splitlines(), [line.strip() for line in shown.splitlines()])


def run(command: str, folder: Path, origin: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(ORIGIN, origin)],
        cwd=folder,
        env=os.environ | {"PATH": path, "CHORUS_URL": origin},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_the_page_does_what_it_says(
    name: str, tmp_path: Path, trained: Registry, others: Registry
) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(".chorus", "__pycache__"))
    for registry in (trained, others) if (folder / "chorus.toml").exists() else ():
        shutil.copytree(registry.path, folder / ".chorus/registry", dirs_exist_ok=True)  # as `chorus train` makes it
    server: Running | nullcontext[None] = nullcontext()
    waiting = list(steps((folder / "README.md").read_text()))
    assert any("chorus serve" in command for step in waiting for command in step.commands)
    try:
        for step in waiting:
            printed = ""
            for command in step.commands:
                if command.startswith("chorus serve"):
                    model = command.split()[2:]
                    config = None if model else folder / "chorus.toml"
                    if model:
                        model[0] = str(folder / model[0])
                    server = Running(config, tmp_path, *model)
                else:
                    printed += run(command, folder, server.origin if isinstance(server, Running) else ORIGIN)
            for line in step.shown:
                assert line in printed, (step.commands, printed)
    finally:
        server.__exit__(None, None, None)

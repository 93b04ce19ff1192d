"""Pages of documentation, run: every command on them, in order, and what each page says that is printed and logged."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.running import Running, until

ORIGIN = "http://127.0.0.1:8080"
SERVE = "chorus serve"
_BLOCK = re.compile(
    r"^```sh\n(?P<commands>.*?)^```\n\n?(?P<shown>(?:^    [^\n]+\n)*)|^```log\n(?P<logged>.*?)^```\n",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of a page and what it says of their output, or lines that it says are in the log by now."""

    commands: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)


def steps(page: str) -> Iterator[Step]:
    """The blocks of a page, in order."""
    for found in _BLOCK.finditer(page):
        parts = {name: (text or "").splitlines() for name, text in found.groupdict().items()}
        yield Step(parts["commands"], [line.strip() for line in parts["shown"]], parts["logged"])


def follow(page: str, folder: Path, serve: Callable[[list[str]], Running]) -> None:
    """Run a page in `folder`. `serve` starts the server with the options that it gives, in the place of one before."""
    server: Running | None = None
    try:
        for step in steps(page):
            printed = ""
            for command in step.commands:
                if command.startswith(SERVE):
                    if server is not None:
                        server.__exit__(None, None, None)
                    server = serve(command.removeprefix(SERVE).split())
                else:
                    printed += run(command, folder, ORIGIN if server is None else server.origin)
            for line in step.shown:
                assert line in printed, (step.commands, printed)
            for line in step.logged:
                assert server is not None
                log = server  # which the next one may take the place of
                until(lambda line=line, log=log: line in log.log, line)
    finally:
        if server is not None:
            server.__exit__(None, None, None)


def run(command: str, folder: Path, origin: str) -> str:
    """What a command prints, with the server at `origin` in the place of the page's."""
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

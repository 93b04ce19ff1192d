"""The pages of the examples, as `tests.pages` follows them."""

import re
import shutil
from pathlib import Path

import pytest

from models.registry import Registry
from tests.pages import SERVE, follow
from tests.running import Running

pytestmark = pytest.mark.processes

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGES = ["web-single", "synchronous", "preprocess", "serial", "parallel", "cascade", "shadow"]


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_the_page_does_what_it_says(
    name: str, tmp_path: Path, trained: Registry, others: Registry
) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(".chorus", "__pycache__"))
    for registry in (trained, others) if (folder / "chorus.toml").exists() else ():
        shutil.copytree(registry.path, folder / ".chorus/registry", dirs_exist_ok=True)  # as `chorus train` makes it

    def serve(options: list[str]) -> Running:
        if not options:
            return Running(folder / "chorus.toml", tmp_path)
        return Running(None, tmp_path, str(folder / options[0]), *options[1:])

    page = (folder / "README.md").read_text()
    assert SERVE in page
    follow(page, folder, serve)


def test_the_first_page_has_every_example() -> None:
    listed = re.findall(r"^\| \[([\w-]+)\]\(\1\) \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(page.parent.name for page in EXAMPLES.glob("*/README.md"))
    assert set(listed) == {*PAGES, "own-models"}

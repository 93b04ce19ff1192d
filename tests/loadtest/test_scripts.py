"""What lies in loadtest/ for those who use these tools, run by the tools themselves against a real server."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import Registry
from tests import environments
from tests.running import PATIENCE, Running, write_config

pytestmark = pytest.mark.processes

LOADTEST = environments.ROOT / "loadtest"


@pytest.fixture(scope="module")
def server(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(write_config(folder, trained.path, inline=True), folder) as running:
        yield running


@pytest.fixture(scope="module")
def rows(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row of JSON on each line."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n".join(map(str, trained.manifest("breast-cancer/logreg").examples)))
    return path


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that no model takes."""
    path = tmp_path_factory.mktemp("wrong") / "wrong.jsonl"
    path.write_text("[1]\n")
    return path


@pytest.fixture(scope="module")
def locust() -> Path:
    return environments.ensure("locust").parent / "locust"


def run(*command: object) -> tuple[int, str]:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


def shares(said: str) -> dict[str, int]:
    """How many answers had each status, as a script shows them."""
    _, table = said.split("Answers by status:")
    found = {status: int(count) for status, count in re.findall(r"^  (\S.*?) +(\d+) +[\d.]+ ?%", table, re.MULTILINE)}
    assert found, said
    return found


def wrk(server: Running, *arguments: object) -> tuple[int, str]:
    return run("wrk", "-t2", "-c4", "-d1s", "-s", LOADTEST / "wrk.lua", server.origin, "--", *arguments)


def locusts(server: Running, locust: Path, *options: object) -> tuple[int, str]:
    users = ("--headless", "--only-summary", "-u", 4, "-r", 4, "-t", "2s")
    return run(locust, "-f", LOADTEST / "locustfile.py", "--host", server.origin, *users, *options)


def asked(server: Running, name: str) -> int:
    """How many requests a backend or ensemble has had."""
    count: int = server.ask(f"/debug/backends/{name}")[1]["asked"]
    return count


def test_wrk_asks_the_default_about_the_servers_examples(server: Running) -> None:
    before = asked(server, "log_pool")
    code, said = wrk(server)
    assert code == 0
    assert shares(said).keys() <= {"complete", "partial"}
    assert sum(shares(said).values()) <= asked(server, "log_pool") - before
    assert "Non-2xx" not in said


def test_wrk_asks_a_model_about_the_rows_of_a_file(server: Running, rows: Path) -> None:
    before = asked(server, "forest")
    code, said = wrk(server, "forest", rows)
    assert code == 0
    assert shares(said).keys() == {"complete"}
    assert asked(server, "forest") > before


def test_wrk_shows_what_is_refused(server: Running, wrong: Path) -> None:
    assert shares(wrk(server, "forest", wrong)[1]).keys() == {"HTTP 400"}
    code, said = wrk(server, "nobody")
    assert code == 1
    assert "no rows for nobody" in said


def test_locust_asks_the_default_about_the_servers_examples(server: Running, locust: Path) -> None:
    before = asked(server, "log_pool")
    code, said = locusts(server, locust)
    assert code == 0, said
    assert shares(said).keys() <= {"complete", "partial"}
    assert sum(shares(said).values()) <= asked(server, "log_pool") - before


def test_locust_shows_what_is_refused_of_a_model_and_the_rows_of_a_file(
    server: Running, locust: Path, wrong: Path
) -> None:
    code, said = locusts(server, locust, "--model", "forest", "--rows", wrong)
    assert code == 1  # as Locust has it where requests failed
    assert shares(said).keys() == {"HTTP 400"}

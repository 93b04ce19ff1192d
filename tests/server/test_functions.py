"""Functions of the user's in workers: slow ones, broken ones, ones that are not there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.checking import findings_of
from server.config import read_config
from tests.running import Running

CODE = """
import sys, time

def slow(inputs):
    time.sleep(1.5)
    return ["yes"] * len(inputs["a"])

def nonsense(inputs):
    return ["yes"]

def broken(inputs):
    return 1 / 0

def leaving(inputs):
    sys.exit(1)
"""
NAMES = ("slow", "nonsense", "broken", "leaving")


def write(folder: Path, *names: str) -> Path:
    (folder / "mine.py").write_text(CODE)
    backends = "".join(
        f'[backends.{name}]\npython = "mine:{name}"\nfeatures = ["a"]\nlabels = ["yes", "no"]\n' for name in names
    )
    path = folder / "chorus.toml"
    path.write_text(f"{backends}[ensembles.all]\nmembers = {list(names)}\nquorum = 1\ntimeout_ms = 20000\n")
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("functions")
    with Running(write(folder, *NAMES), folder) as running:
        yield running


@pytest.mark.processes
def test_a_member_has_the_time_that_its_ensemble_has(server: Running) -> None:
    status, answer = server.ask("/v1/models/all:predict", {"instances": [[1], [2]]})
    assert (status, answer["predictions"]) == (200, ["yes", "yes"])
    assert answer["members"]["slow"]["fate"] == "ok"


@pytest.mark.processes
def test_what_is_wrong_with_a_member_is_told(server: Running) -> None:
    _, answer = server.ask("/v1/models/all:predict", {"instances": [[1], [2]]})
    reasons = {name: said.get("reason") for name, said in answer["members"].items()}
    assert reasons == {"slow": None, "nonsense": "invalid", "broken": "error", "leaving": "error"}
    assert "the model raised ZeroDivisionError: division by zero" in server.log
    assert server.pids().keys() == set(NAMES)


def test_a_function_that_is_not_there_is_found_before_the_start(tmp_path: Path) -> None:
    path = write(tmp_path, "slow", "nope")
    (error,) = findings_of(read_config(path, {})).errors
    assert "[backends.nope] python: unknown function or class 'nope'" in str(error)

"""The shape of the house: imports point down only, and what is pure stays pure."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RANKS = {"models": 0, "backends": 1, "aggregator": 2, "server": 3}
FILES = sorted(path for package in RANKS for path in (ROOT / package).rglob("*.py"))
RULES = ("rules", "sums", "votes", "averages", "ranked", "first", "custom", "weights", "measures", "fallback")
PURE = (
    *(f"aggregator/{name}.py" for name in (*RULES, "tally")),
    "models/types.py",
    "backends/channel/frames.py",
    "backends/cost.py",
    "backends/statistics.py",
)
PURE += tuple(f"aggregator/{name}.py" for name in ("evaluation", "metrics", "stages", "staged", "comparison"))
PURE += ("backends/comparisons.py",)
FITTING = {"sklearn", "xgboost", "skl2onnx", "scipy"}
TERMINAL = {"rich", "click"}
HTTP = {"aiohttp", "yarl", "multidict", "prometheus_client"}
KNOWS_ASYNCIO = {f"aggregator/{name}.py" for name in ("batching", "fanout", "ensemble", "reaper", "shadow")}


def imported(path: Path) -> Iterator[str]:
    """The top-level names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_only(path: Path) -> None:
    own = RANKS[path.relative_to(ROOT).parts[0]]
    upwards = {name for name in imported(path) if RANKS.get(name, -1) > own}
    assert not upwards


@pytest.mark.parametrize("name", PURE)
def test_what_is_pure_knows_no_event_loop(name: str) -> None:
    assert not {"asyncio", "aiohttp", "time", "threading"} & set(imported(ROOT / name))


def test_asyncio_is_known_in_few_files_of_the_aggregator() -> None:
    knowing = {str(p.relative_to(ROOT)) for p in (ROOT / "aggregator").glob("*.py") if "asyncio" in imported(p)}
    assert knowing <= KNOWS_ASYNCIO


def test_http_is_known_in_the_server_and_in_remote_backends_only() -> None:
    knowing = {str(path.relative_to(ROOT)) for path in FILES if "aiohttp" in imported(path)}
    assert {name for name in knowing if not name.startswith("server/")} == {"backends/oip.py"}


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [("server.front", FITTING | TERMINAL), ("server.worker", FITTING | TERMINAL | HTTP)],
)
def test_what_a_process_does_not_need_it_does_not_import(module: str, kept_out: set[str]) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not kept_out & set(done.stdout.split())

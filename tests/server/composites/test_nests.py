"""Compositions in compositions in compositions: whatever has a name answers, and says how."""

from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from tests.running import Running, until

pytestmark = pytest.mark.processes

MODELS = ("logreg", "forest", "mlp")
TABLES = """
[ensembles.all]
members = ["logreg", "forest", "mlp"]

[shadows.watched]
primary = "all"
candidates = ["mlp"]

[cascades.staged]
stages = [["logreg"], ["watched", "forest"]]
rule = "soft"
min_confidence = 1.0

[chains.line]
steps = ["staged"]

[shadows.outer]
primary = "line"
candidates = ["staged", "watched"]

[ensembles.top]
members = ["outer", "staged", "watched"]
rule = "hard"
early = false

[cascades.topmost]
stages = [["forest"], ["top", "line"]]
rule = "soft"
min_confidence = 1.0
"""
NAMES = ("watched", "staged", "line", "outer", "top", "topmost")


def test_every_kind_can_be_a_part_of_every_other(tmp_path: Path, trained: Registry) -> None:
    backends = "".join(f'[backends.{one}]\nmodel = "breast-cancer/{one}"\ninline = true\n' for one in MODELS)
    config = tmp_path / "chorus.toml"
    config.write_text(f'[registry]\npath = "{trained.path}"\n{backends}{TABLES}')
    rows = trained.manifest("breast-cancer/logreg").examples
    expected = None
    with Running(config, tmp_path) as server:
        assert server.ask("/")[1]["default"] == "topmost"
        for name in NAMES:
            parameters = {"explain": True, "timeout_ms": 30_000}
            body = {"instances": rows, "parameters": parameters}
            status, answer = server.ask(f"/v1/models/{name}:predict", body, {"X-Request-Id": name})
            assert (status, answer["outcome"]["degraded"]) == (200, False), name
            expected = expected or answer["predictions"]
            assert answer["predictions"] == expected, name
            assert server.ask(f"/debug/requests/{name}")[1]["http_status"] == 200
            assert server.ask(f"/debug/backends/{name}")[1]["state"] == "ready"
        until(lambda: all(one["rows"] for one in compared(server)), "what the shadows said")
        assert all(one["agreed_rows"] == one["rows"] for one in compared(server))
        assert server.ask("/metrics")[0] == 200
        assert server.stop() == 0
        assert "Traceback" not in server.log


def compared(server: Running) -> list[dict[str, Any]]:
    """Every candidate of every shadow."""
    states = [server.ask(f"/debug/backends/{name}")[1] for name in ("watched", "outer")]
    return [one for state in states for one in state["comparisons"].values()]

"""Every kind of composite in every other, on a real server: whatever has a name answers, and says how."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.registry import Registry
from tests.running import Running, until

pytestmark = pytest.mark.processes

MODELS = ("logreg", "forest", "mlp")
KINDS = {
    "ensemble": '[ensembles.{name}]\nmembers = ["{one}", "{other}"]\nquorum = 2\n',
    "chain": '[chains.{name}]\nsteps = ["{one}"]\n',
    "switch": '[switches.{name}]\nparameters = ["other"]\ncases = [{{ when = "parameters.other", use = "{other}" }}]\n'
    'otherwise = "{one}"\n',
    "split": "[splits.{name}]\nshares = {{ {one} = 0.5, {other} = 0.5 }}\n",
    "cascade": '[cascades.{name}]\nstages = [["{other}"], ["{one}"]]\nrule = "soft"\nmin_confidence = 1.0\n',
    "shadow": '[shadows.{name}]\nprimary = "{one}"\ncandidates = ["{other}"]\n',
}
"""Each asks `one`, and some ask `other`, too; a split asks either."""
PAIRS = [f"{outer}-of-{inner}" for outer in KINDS for inner in KINDS]


def config(folder: Path, registry: Registry) -> Path:
    """Each kind made of two models, and of each of these each kind again, with the third model."""
    backends = [f'[backends.{one}]\nmodel = "breast-cancer/{one}"\ninline = true\n' for one in MODELS]
    inner = [table.format(name=kind, one="logreg", other="forest") for kind, table in KINDS.items()]
    outer = [
        table.format(name=f"{kind}-of-{part}", one=part, other="mlp") for kind, table in KINDS.items() for part in KINDS
    ]
    path = folder / "chorus.toml"
    path.write_text("".join([f'[registry]\npath = "{registry.path}"\n', *backends, *inner, *outer]))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, trained: Registry) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with Running(config(folder, trained), folder) as running:
        yield running


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return [float(value) for value in trained.manifest("breast-cancer/logreg").examples[0]]


@pytest.mark.parametrize("name", PAIRS)
def test_every_kind_can_be_a_part_of_every_other(server: Running, row: list[float], name: str) -> None:
    kind, asked = name.partition("-of-")[0], f"asked-{name}"
    body = {"instances": [row], "parameters": {"explain": True, "timeout_ms": 30_000}}
    status, answer = server.ask(f"/v1/models/{name}:predict", body, {"X-Request-Id": asked})
    assert (status, answer["outcome"]["status"], answer["outcome"]["degraded"]) == (200, "complete", False)
    assert answer["predictions"] == ["benign"]
    tensor = {"name": "features", "shape": [1, 30], "datatype": "FP32", "data": row}
    status, other = server.ask(f"/v2/models/{name}/infer", {"inputs": [tensor], "id": asked})
    assert (status, other["outputs"][0]["data"]) == (200, ["benign"])
    assert server.ask(f"/v2/models/{name}/ready")[0] == 200
    shown = server.ask(f"/debug/backends/{name}")[1]
    assert (shown["kind"], shown["state"], shown["fates"]) == (kind, "ready", {"ok": 2})
    timeline = server.ask(f"/debug/requests/{asked}")[1]
    assert (timeline["http_status"], timeline["model"]) == (200, name)
    assert f'chorus_calls_total{{backend="{name}",fate="ok",reason=""}} 2.0' in server.ask("/metrics")[1].decode()


def test_what_is_aside_is_compared_wherever_it_is(server: Running, row: list[float]) -> None:
    shadows = ["shadow", *(f"shadow-of-{kind}" for kind in KINDS)]
    for name in shadows:
        assert server.ask(f"/v1/models/{name}:predict", {"instances": [row]})[0] == 200
    until(lambda: all(one["rows"] for one in compared(server, shadows)), "what the candidates said")
    assert all(one["agreed_rows"] == one["rows"] for one in compared(server, shadows))


def test_it_ends_without_a_complaint(server: Running) -> None:
    assert server.stop() == 0
    assert "Traceback" not in server.log


def compared(server: Running, shadows: list[str]) -> list[dict[str, Any]]:
    """Every candidate of every one of `shadows`."""
    states = [server.ask(f"/debug/backends/{name}")[1] for name in shadows]
    return [one for state in states for one in state["comparisons"].values()]

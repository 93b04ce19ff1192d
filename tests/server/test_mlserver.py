"""A real MLServer with a scikit-learn model as a member, behind a rate limit."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from models.registry import Registry
from tests import environments
from tests.mlserver.running import MODEL, MLServer
from tests.running import Running, until

pytestmark = pytest.mark.processes

LABELS = ["malignant", "benign"]


@pytest.fixture(scope="module")
def mlserver_python() -> Path:
    return environments.ensure("mlserver")


@pytest.fixture(scope="module")
def fitted(mlserver_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A model, and what scikit-learn says with it of some rows."""
    artefact = tmp_path_factory.mktemp("model") / "model.joblib"
    script = environments.HERE / "mlserver" / "fitted.py"
    done = subprocess.run([mlserver_python, script, artefact], capture_output=True, text=True, check=True)
    return artefact, json.loads(done.stdout)


@pytest.fixture(scope="module")
def said(fitted: tuple[Path, dict[str, Any]]) -> dict[str, Any]:
    return fitted[1]


@pytest.fixture(scope="module")
def mlserver(
    mlserver_python: Path, fitted: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MLServer]:
    with MLServer(mlserver_python, fitted[0], tmp_path_factory.mktemp("mlserver")) as running:
        yield running


def config(folder: Path, registry: Registry, mlserver: MLServer, more: str = "", rule: str = "soft") -> Path:
    features = list(registry.manifest("breast-cancer/logreg").signature.features)
    path = folder / "chorus.toml"
    settings = more or 'output = "predict_proba"\n'
    path.write_text(
        f'[registry]\npath = "{registry.path}"\n'
        f'[backends.far]\nurl = "{mlserver.url}"\nmodel = "{MODEL}"\nlabels = {LABELS}\nfeatures = {features}\n'
        f'binary = false\ninput = "x"\n{settings}\n'
        '[backends.forest]\nmodel = "breast-cancer/forest"\ninline = true\n'
        f'[ensembles.all]\nmembers = ["forest", "far"]\nrule = "{rule}"\nquorum = 1\ntimeout_ms = 10000\n'
    )
    return path


def ready(server: Running) -> None:
    until(lambda: server.ask("/debug/backends/far")[1]["state"] == "ready", "MLServer verified")


def predictions(server: Running, name: str, rows: Any) -> dict[str, Any]:
    status, answer = server.ask(f"/v1/models/{name}:predict", {"instances": rows})
    assert status == 200, answer
    return dict(answer)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_mlserver_says_what_scikit_learn_says_and_is_one_vote(
    mlserver: MLServer, said: dict[str, Any], trained: Registry, tmp_path: Path, datatype: str
) -> None:
    settings = f'output = "predict_proba"\ndatatype = "{datatype}"'
    with Running(config(tmp_path, trained, mlserver, settings), tmp_path) as server:
        ready(server)
        rows = said["rows"]
        far = predictions(server, "far", rows)["probabilities"]
        assert np.allclose(far, said["probabilities"], rtol=0, atol=1e-6)
        forest = predictions(server, "forest", rows)["probabilities"]
        both = predictions(server, "all", rows)
    assert both["outcome"]["status"] == "complete"
    assert np.allclose(both["probabilities"], (np.array(far) + forest) / 2, rtol=0, atol=1e-12)


def test_a_model_that_gives_labels_only_votes_for_them(
    mlserver: MLServer, said: dict[str, Any], trained: Registry, tmp_path: Path
) -> None:
    settings = 'output = "predict"\ngives = "labels"'
    with Running(config(tmp_path, trained, mlserver, settings, rule="hard"), tmp_path) as server:
        ready(server)
        far = predictions(server, "far", said["rows"])
    expected = np.eye(2)[np.argmax(said["probabilities"], axis=1)]
    assert far["probabilities"] == expected.tolist()


async def _at_once(server: Running, rows: Any, count: int, timeout_ms: int) -> list[dict[str, Any]]:
    body = {"instances": rows, "parameters": {"timeout_ms": timeout_ms}}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> dict[str, Any]:
            async with session.post(f"{server.origin}/predict", json=body) as response:
                return dict(await response.json())

        return list(await asyncio.gather(*(one() for _ in range(count))))


def test_the_limit_is_kept_exactly_and_who_is_over_it_is_skipped_at_once(
    mlserver: MLServer, said: dict[str, Any], trained: Registry, tmp_path: Path
) -> None:
    """Over a period that outlasts the test, so that no clock matters: five calls, by MLServer's own count."""
    settings = 'output = "predict_proba"\nthrottle = { rate = 5, period_s = 3600 }'
    with Running(config(tmp_path, trained, mlserver, settings), tmp_path) as server:
        ready(server)
        before = mlserver.inferences()
        answers = asyncio.run(_at_once(server, said["rows"][:1], 60, 10_000))
        fates = [(one["members"]["far"]["fate"], one["members"]["far"].get("reason")) for one in answers]
        assert sorted(fates, key=str) == [("ok", None)] * 5 + [("skipped", "rate_limited")] * 55
        assert mlserver.inferences() - before == 5
        status, problem = server.ask("/v1/models/far:predict", {"instances": said["rows"][:1]})
        assert (status, problem["code"]) == (503, "rate_limited")
        status, _ = server.ask("/debug/backends/far/predict", {"instances": said["rows"][:1]})
        assert status == 503  # a look past the layers is not past the limit
        assert mlserver.inferences() - before == 5


def test_who_can_wait_for_a_turn_gets_one(
    mlserver: MLServer, said: dict[str, Any], trained: Registry, tmp_path: Path
) -> None:
    """Ten at a rate of five in two seconds: all are answered, and no sooner than in the second stretch."""
    settings = 'output = "predict_proba"\nthrottle = { rate = 5, period_s = 2 }'
    with Running(config(tmp_path, trained, mlserver, settings), tmp_path) as server:
        ready(server)
        before = mlserver.inferences()
        answers = asyncio.run(_at_once(server, said["rows"][:1], 10, 60_000))
        assert {one["members"]["far"]["fate"] for one in answers} == {"ok"}
        assert mlserver.inferences() - before == 10
        elapsed = sorted(one["members"]["far"]["elapsed_ms"] for one in answers)
        assert sum(milliseconds >= 1900 for milliseconds in elapsed) >= 5

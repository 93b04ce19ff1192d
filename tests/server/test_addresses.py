"""A second Chorus as a member: what one ensemble says is one vote in another."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest

from models.registry import Registry
from models.types import Array
from tests.running import Running, until

pytestmark = pytest.mark.processes

LABELS = ["malignant", "benign"]
Row = list[float]


def local(name: str) -> str:
    return f'[backends.{name}]\nmodel = "breast-cancer/{name}"\n'


class Second:
    """A Chorus whose ensemble `pair` may stop and come back, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.port = 0
        self.running: Running | None = None

    def start(self, registry: Path) -> Running:
        config = self.folder / "chorus.toml"
        config.write_text(
            f'[registry]\npath = "{registry}"\n{local("logreg")}{local("mlp")}'
            '[ensembles.pair]\nmembers = ["logreg", "mlp"]\nrule = "soft"\nquorum = 1\ntimeout_ms = 300\n'
        )
        self.running = Running(config, self.folder, "--port", str(self.port))
        self.port = urlsplit(self.running.origin).port or 0
        return self.running

    def stop(self) -> None:
        if self.running is not None:
            self.running.__exit__(None, None, None)
            self.running = None


@pytest.fixture
def second(trained: Registry, tmp_path: Path) -> Iterator[Second]:
    there = Second(tmp_path / "second")
    there.start(trained.path)
    yield there
    there.stop()


@pytest.fixture(scope="module")
def features(trained: Registry) -> list[str]:
    return list(trained.manifest("breast-cancer/logreg").signature.features)


@pytest.fixture(scope="module")
def rows(trained: Registry) -> list[Row]:
    return [list(row) for row in trained.manifest("breast-cancer/logreg").examples]


@pytest.fixture
def first(second: Second, trained: Registry, features: list[str], tmp_path: Path) -> Iterator[Running]:
    with Running(_first(tmp_path, trained, features, f'"http://127.0.0.1:{second.port}"'), tmp_path) as running:
        until(lambda: _phase(running) == "ready", "the second Chorus verified")
        yield running


def _first(folder: Path, registry: Registry, features: list[str], url: str) -> Path:
    path = folder / "chorus.toml"
    path.write_text(
        f'[registry]\npath = "{registry.path}"\n{local("forest")}{local("hist-gb")}'
        f'[backends.far]\nurl = {url}\nmodel = "pair"\nfeatures = {features}\nlabels = {LABELS}\n'
        '[ensembles.all]\nmembers = ["forest", "hist-gb", "far"]\nrule = "soft"\nweights = { far = 2 }\n'
        "quorum = 2\ntimeout_ms = 2000\n"
    )
    return path


def _phase(server: Running) -> str:
    state: str = server.ask("/debug/backends/far")[1]["state"]
    return state


def probabilities(server: Running, name: str, rows: list[Row], labels: list[str] = LABELS) -> Array:
    status, answer = server.ask(f"/v1/models/{name}:predict", {"instances": rows})
    assert (status, answer["labels"]) == (200, labels), answer
    return np.array(answer["probabilities"])


def by_hand(first: Running, pair: Any, rows: list[Row]) -> Any:
    """`all`, from what its members say when each is asked alone."""
    return (probabilities(first, "forest", rows) + probabilities(first, "hist-gb", rows) + 2 * pair) / 4


def ask(server: Running, rows: list[Row]) -> dict[str, Any]:
    status, answer = server.ask("/predict", {"instances": rows})
    assert status == 200, answer
    return dict(answer)


def test_the_answer_is_the_composition_computed_by_hand(first: Running, second: Second, rows: list[Row]) -> None:
    assert second.running is not None
    pair = (probabilities(second.running, "logreg", rows) + probabilities(second.running, "mlp", rows)) / 2
    answer = ask(first, rows)
    assert answer["outcome"]["status"] == "complete"
    assert np.allclose(answer["probabilities"], by_hand(first, pair, rows), rtol=0, atol=1e-12)


def test_a_partial_answer_of_the_second_makes_the_answer_of_the_first_degraded(
    first: Running, second: Second, rows: list[Row]
) -> None:
    assert second.running is not None
    assert not ask(first, rows)["outcome"]["degraded"]
    second.running.signal(signal.SIGSTOP, "mlp")
    answer = ask(first, rows)
    assert (answer["members"]["far"]["fate"], answer["outcome"]["degraded"]) == ("ok", True)
    pair = probabilities(second.running, "logreg", rows)
    assert np.allclose(answer["probabilities"], by_hand(first, pair, rows), rtol=0, atol=1e-12)
    _, alone = first.ask("/v1/models/far:predict", {"instances": rows})
    assert alone["outcome"]["degraded"]
    tensor = {"name": "features", "shape": [1, 30], "datatype": "FP32", "data": rows[0]}
    _, passed_on = first.ask("/v2/models/far/infer", {"inputs": [tensor]})
    assert passed_on["parameters"]["degraded"]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGKILL])
def test_while_the_second_is_away_the_first_answers_on_and_then_it_is_back(
    first: Running, second: Second, rows: list[Row], trained: Registry, sign: signal.Signals
) -> None:
    assert second.running is not None
    whole = ask(first, rows)["probabilities"]
    second.running.process.send_signal(sign)
    second.running.process.wait()
    until(lambda: _members(first, rows)["far"]["fate"] != "ok", "the outage")
    for _ in range(5):
        answer = ask(first, rows)
        assert answer["outcome"]["status"] == "partial"
        far = answer["members"]["far"]
        assert (far["fate"], far["reason"]) in (("skipped", "unverified"), ("failed", "connect"), ("failed", "reset"))
    second.stop()
    second.start(trained.path)
    until(lambda: _members(first, rows)["far"]["fate"] == "ok", "the second in the vote again")
    assert ask(first, rows)["probabilities"] == whole


def _members(server: Running, rows: list[Row]) -> dict[str, dict[str, Any]]:
    return dict(ask(server, rows)["members"])


def relabelled(registry: Registry, folder: Path, labels: list[str]) -> Path:
    """A copy of the registry in which the same columns are called otherwise."""
    copytree(registry.path, folder)
    for manifest in folder.rglob("manifest.json"):
        told = msgspec.json.decode(manifest.read_bytes())
        told["signature"]["labels"] = labels
        told["signature"]["outputs"][1]["features"] = labels
        manifest.write_bytes(msgspec.json.encode(told))
    return folder


def test_a_second_that_comes_back_with_its_labels_in_another_order_is_read_by_name(
    first: Running, second: Second, rows: list[Row], trained: Registry, tmp_path: Path
) -> None:
    """Nobody asks while it is away: the first answer of the new server counts as its labels say, or not at all."""
    ask(first, rows)
    second.stop()
    there = second.start(relabelled(trained, tmp_path / "other", LABELS[::-1]))
    pair = probabilities(there, "pair", rows, LABELS[::-1])[:, ::-1]
    expected = by_hand(first, pair, rows)

    def counts() -> bool:
        answer = ask(first, rows)
        if answer["members"]["far"]["fate"] != "ok":
            return False
        assert np.allclose(answer["probabilities"], expected, rtol=0, atol=1e-12)
        return True

    for _ in range(3):
        until(counts, "the second in the vote again")


def test_a_second_that_comes_back_with_other_labels_fails_loudly(
    first: Running, second: Second, rows: list[Row], trained: Registry, tmp_path: Path
) -> None:
    ask(first, rows)
    second.stop()
    second.start(relabelled(trained, tmp_path / "other", ["malignant", "harmless"]))
    until(lambda: _members(first, rows)["far"].get("reason") == "signature", "the misfit")
    assert _members(first, rows)["far"]["fate"] == "failed"
    assert _phase(first) == "misfit"
    assert "its labels are ['malignant', 'harmless'], not ['malignant', 'benign']" in first.log


def test_of_two_addresses_one_may_be_dead_from_the_start(
    second: Second, trained: Registry, features: list[str], rows: list[Row], tmp_path: Path
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        dead, alive = f"http://127.0.0.1:{nobody.getsockname()[1]}", f"http://127.0.0.1:{second.port}"
        with Running(_first(tmp_path, trained, features, f'["{dead}", "{alive}"]'), tmp_path) as first:
            until(lambda: _phase(first) == "ready", "the one that lives verified")
            assert [ask(first, rows)["outcome"]["status"] for _ in range(20)] == ["complete"] * 20


def test_of_two_addresses_one_may_die_and_no_request_fails_after_the_first(
    second: Second, trained: Registry, features: list[str], rows: list[Row], tmp_path: Path
) -> None:
    other = Second(tmp_path / "other")
    other.start(trained.path)
    urls = f'["http://127.0.0.1:{other.port}", "http://127.0.0.1:{second.port}"]'
    try:
        with Running(_first(tmp_path, trained, features, urls), tmp_path) as first:
            until(lambda: _phase(first) == "ready", "the addresses verified")
            for _ in range(6):
                ask(first, rows)
            other.stop()
            fates = [_members(first, rows)["far"]["fate"] for _ in range(20)]
            assert fates[1:] == ["ok"] * 19
            assert ask(first, rows)["members"]["far"]["weight"] == 2  # still one vote
    finally:
        other.stop()

"""One model in one process: a file, or a model of the registry, with the whole surface and no configuration."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from models.registry import Registry
from server.single import plain_name
from tests.models.test_quarantine import killer
from tests.running import Running, alive, until

pytestmark = pytest.mark.processes

LABELS = ("--labels", "malignant,benign")


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


@pytest.fixture(scope="module")
def files(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models as their owners have them."""
    folder = tmp_path_factory.mktemp("files")
    version = trained.resolve("breast-cancer/logreg").folder
    shutil.copy(version / "model.onnx", folder / "tumours.onnx")
    shutil.copy(version / "original.skops", folder / "tumours.skops")
    shutil.copy(trained.resolve("breast-cancer/xgboost").folder / "original.ubj", folder / "tumours.ubj")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["uvloop", "asyncio"])
def server(files: Path, here: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with Running(None, here, str(files / "tumours.onnx"), *LABELS, "--loop", request.param) as running:
        yield running


def refused(*arguments: str) -> str:
    """The one line with which it does not start."""
    command = [sys.executable, "-m", "server", "serve", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [line for line in done.stderr.splitlines() if line]
    assert (done.returncode != 0, done.stdout) == (True, "")
    return lines[-1]


def test_one_process_serves_a_file_with_the_whole_surface(server: Running, row: list[float]) -> None:
    assert server.children() == []
    status, answer = server.ask("/predict", {"instances": [row]})
    assert (status, answer["outcome"]["model"], answer["labels"]) == (200, "tumours", ["malignant", "benign"])
    assert server.ask("/v1/models/tumours:predict", {"instances": [row]})[0] == 200
    assert server.ask("/v2/models/tumours")[1]["versions"] == ["1"]
    assert server.ask("/readyz")[0] == 200
    assert b"chorus_calls_total" in server.ask("/metrics")[1]
    (one,) = server.ask("/debug/backends")[1]["backends"]
    assert (one["name"], one["state"], one["fates"]) == ("tumours", "ready", {"ok": 2})
    assert server.ask("/debug/requests")[1]["kept"] == 2


def test_the_line_that_is_printed_works_and_says_that_its_row_was_made_up(server: Running) -> None:
    assert "the row below is made up" in server.printed
    url, quoted = server.printed.splitlines()[-1].removeprefix("curl -s ").split(" -d ", 1)
    assert server.ask(urlsplit(url).path, quoted.strip("'").encode())[0] == 200


def test_it_stops_cleanly_when_asked_and_leaves_nothing(server: Running, row: list[float]) -> None:
    assert len(list(server.runtime.glob("chorus-*"))) == 1
    assert server.stop() == 0
    assert not list(server.runtime.glob("chorus-*"))
    assert not (server.runtime / ".chorus").exists()
    assert "Traceback" not in server.log


@pytest.mark.parametrize("file", ["tumours.skops", "tumours.ubj"])
def test_estimators_are_compiled_and_served(files: Path, here: Path, file: str, row: list[float]) -> None:
    with Running(None, here, str(files / file), *LABELS, "--name", "mine") as server:
        status, answer = server.ask("/v1/models/mine:predict", {"instances": [row]})
        assert (status, answer["predictions"]) == (200, ["benign"])


def test_a_model_of_the_registry_is_served_with_a_row_of_its_own(
    trained: Registry, here: Path, row: list[float]
) -> None:
    (here / "chorus.toml").write_text("this is no TOML")
    with Running(None, here, "breast-cancer/forest@champion", "--registry", str(trained.path)) as server:
        assert "chorus.toml was not read" in server.printed
        assert "made up" not in server.printed
        status, answer = server.ask("/predict", {"instances": [row]})
        assert (status, answer["outcome"]["model"], server.children()) == (200, "forest", [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/tumours.onnx"], "error: an ONNX model does not say what it predicts; say --labels a,b"),
        (["{}/none.onnx"], "error: no file "),
        (["{}/pickled.pkl"], "error: pickled.pkl: a pickle can run anything"),
        (["{}/damaged.ubj"], "error: "),
        (["{}/tumours.onnx", *LABELS, "--name", "7"], "error: --name: "),
        (["nobody/knows"], "error: no model 'nobody/knows'"),
        (["nobody/knows", *LABELS], "error: --labels is for a file"),
        (["{}/tumours.onnx", "--config", "x.toml"], "Error: a MODEL is served without a configuration"),
        (["{}/tumours.onnx", *LABELS, "--workers", "2"], "error: --workers: one model alone is served by one process"),
        ([*LABELS], "Error: --labels is for a single model"),
        (["{}/tumours.onnx", *LABELS, "--host", "300.0.0.1"], "error: cannot listen on 300.0.0.1:0"),
    ],
)
def test_what_cannot_be_served_is_one_line(files: Path, here: Path, arguments: list[str], message: str) -> None:
    (files / "pickled.pkl").write_bytes(b"\x80\x04N.")
    (files / "damaged.ubj").write_bytes((files / "tumours.ubj").read_bytes()[:500])
    assert refused(*(argument.format(files) for argument in arguments)).startswith(message)
    assert not list(here.glob("chorus-*"))


def test_a_file_that_crashes_its_library_takes_nothing_down(here: Path) -> None:
    (here / "killer.ubj").write_bytes(killer())
    assert "killer.ubj: no model that can be read: it crashes its library" in refused("killer.ubj", *LABELS)


def test_a_second_signal_ends_it_at_once_even_if_the_model_hangs(here: Path) -> None:
    with Running(None, here, str(_endless(here / "endless.onnx")), "--task", "regression") as server:
        connection = HTTPConnection(urlsplit(server.origin).netloc)
        connection.request(
            "POST", "/predict", msgspec.json.encode({"instances": [[1e15]], "parameters": {"timeout_ms": 60_000}})
        )
        until(lambda: server.ask("/debug/backends/endless")[1]["in_flight"] == 1, "the request under way")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert alive(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
        assert not list(server.runtime.glob("chorus-*"))
        connection.close()


def _endless(path: Path) -> Path:
    """A model that gives its input back, once it has counted that far."""
    from onnx import TensorProto, helper

    def scalar(name: str, kind: int, value: float) -> object:
        return helper.make_node("Constant", [], [name], value=helper.make_tensor(name, kind, [], [value]))

    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("Add", ["count", "step"], ["next"])],
        "count",
        [
            helper.make_tensor_value_info("at", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("count", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    nodes = [
        scalar("step", TensorProto.FLOAT, 1.0),
        scalar("start", TensorProto.FLOAT, 0.0),
        scalar("true", TensorProto.BOOL, True),
        scalar("zero", TensorProto.FLOAT, 0.0),
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["trips"], to=TensorProto.INT64),
        helper.make_node("Loop", ["trips", "true", "start"], ["counted"], body=body),
        helper.make_node("Mul", ["counted", "zero"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("model", "name"),
    [("boosted", "boosted"), ("fraud/typed@2", "typed"), ("a model (1)", "a-model--1-"), ("2024", "model-2024"),
     ("...", "model"), ("x" * 99, "x" * 56)],
)  # fmt: skip
def test_a_name_is_the_last_part_of_what_was_named(model: str, name: str) -> None:
    assert plain_name(model) == name

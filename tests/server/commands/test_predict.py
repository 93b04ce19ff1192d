"""`chorus predict` as a user runs it: in this process and at a real server, with the same answers."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.registry import Registry
from tests.running import MEMBERS, Running, write_config

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def folder(trained: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chorus.toml, and the same held-out rows as CSV and JSON."""
    folder = tmp_path_factory.mktemp("asked")
    write_config(folder, trained.path, inline=True)
    manifest = trained.manifest("breast-cancer/logreg")
    names, rows = manifest.signature.features, manifest.examples
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names[::-1])
        writer.writerows(row[::-1] for row in rows)
    (folder / "rows.json").write_bytes(msgspec.json.encode({"instances": rows}))
    (folder / "rows.jsonl").write_bytes(
        b"\n".join(msgspec.json.encode(dict(zip(names, row, strict=True))) for row in rows)
    )
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    runtime = folder / "run"
    runtime.mkdir()
    with Running(folder / "chorus.toml", runtime) as running:
        yield running


@pytest.fixture(scope="module")
def row(trained: Registry) -> list[float]:
    return trained.manifest("breast-cancer/logreg").examples[0]


def run(
    folder: Path, *arguments: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "server", "predict", *arguments],
        input=stdin, capture_output=True, cwd=folder, timeout=120,
        env=os.environ | {"CHORUS_PORT": "0", "PYTHONPATH": str(Path(__file__).parents[3]), **(environ or {})},
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def records(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr.decode()
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def test_all_formats_give_the_same_answers_here_and_at_a_server(folder: Path, server: Running) -> None:
    here = records(run(folder, "soft", "rows.csv"))
    assert here
    assert {"prediction", "probabilities", "agreement"} == here[0].keys()
    for name in ("rows.json", "rows.jsonl"):
        assert records(run(folder, "soft", name)) == here
    assert records(run(folder, "soft", "rows.csv", "--url", server.origin)) == here
    assert records(run(folder, "soft", stdin=(folder / "rows.csv").read_bytes())) == here


def test_the_answers_are_those_of_the_http_route(folder: Path, server: Running, row: list[float]) -> None:
    status, answer = server.ask("/v1/models/log_pool:predict", {"instances": [row]})
    (record,) = records(run(folder, "log_pool", "--row", ",".join(map(repr, row))))
    assert status == 200
    assert record["prediction"] == answer["predictions"][0]
    assert list(record["probabilities"].values()) == pytest.approx(answer["probabilities"][0], abs=1e-12)


def test_a_server_at_the_configurations_address_is_asked_if_it_serves_the_model(folder: Path, server: Running) -> None:
    port = server.origin.rpartition(":")[2]
    before = server.ask("/debug/backends/forest")[1]["fates"].get("ok", 0)
    assert records(run(folder, "forest", "rows.json", environ={"CHORUS_PORT": port}))
    assert server.ask("/debug/backends/forest")[1]["fates"]["ok"] == before + 1
    assert records(run(folder, "breast-cancer/forest@1", "rows.json", environ={"CHORUS_PORT": port}))
    assert server.ask("/debug/backends/forest")[1]["fates"]["ok"] == before + 1


@pytest.mark.parametrize("where", ["here", "server"])
def test_a_subset_and_what_each_member_said(folder: Path, server: Running, where: str) -> None:
    url = ["--url", server.origin] if where == "server" else []
    said = records(run(folder, "soft", "rows.json", "--members", "forest,mlp", "--explain", *url))
    assert list(said[0]["members"]) == ["forest", "mlp"]
    assert said[0]["members"]["mlp"]["prediction"] in ("benign", "malignant")


def test_csv_comes_back_in_the_order_of_the_rows(folder: Path) -> None:
    done = run(folder, "soft", "rows.csv", "--csv", "--explain")
    answers = list(csv.DictReader(done.stdout.decode().splitlines()))
    assert [answer["prediction"] for answer in answers] == [
        record["prediction"] for record in records(run(folder, "soft", "rows.csv"))
    ]
    assert all(answers[0][f"member {name}"] for name in MEMBERS)


def test_thousands_of_rows_are_asked_in_parts_and_keep_their_order(folder: Path, server: Running) -> None:
    header, *rows = (folder / "rows.csv").read_text().splitlines()
    text = "\n".join([header, *(rows * (2500 // len(rows) + 1))]).encode()
    once = records(run(folder, "mlp", "rows.csv"))
    for url in ([], ["--url", server.origin]):
        many = records(run(folder, "mlp", *url, stdin=text))
        assert [one["prediction"] for one in many] == [once[at % len(rows)]["prediction"] for at in range(len(many))]
        assert len(many) > 2500


@pytest.mark.parametrize("where", ["here", "server"])
def test_a_bad_row_is_named_by_its_line_and_feature(folder: Path, server: Running, where: str) -> None:
    url = ["--url", server.origin] if where == "server" else []
    header, first, second, *_ = (folder / "rows.csv").read_text().splitlines()
    text = "\n".join([header, first, second.rpartition(",")[0] + ","]).encode()
    done = run(folder, "soft", stdin=text, *url)  # noqa: B026 - the options come last
    assert done.returncode == 1
    expected = "error: standard input: line 3: 'mean radius': a missing value, which this model does not take\n"
    assert done.stderr.decode() == expected
    assert not done.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (["sft", "rows.csv"], b"", "error: no model 'sft', did you mean 'soft'?"),
        (["soft"], b"", "error: standard input: no header"),
        (["soft", "-"], b"[]", "error: standard input: no rows"),
        (["soft", "--row", "1,2"], b"", "error: --row: row 1: expected 30 values, got 2"),
        (["soft", "rows.csv", "--members", "forst"], b"", "error: rows.csv: parameters.members[0]: no member 'forst'"),
        (["mlp", "rows.csv", "--members", "a"], b"", "error: rows.csv: parameters.members: 'mlp' takes no members"),
        (["soft", "rows.csv", "--url", "h"], b"", "error: --url: expected an address such as http://127.0.0.1:8080"),
        (["soft", "rows.csv", "-c", "none.toml"], b"", "error: no none.toml here"),
        (["breast-cancer/forst", "rows.csv"], b"", "error: no model 'breast-cancer/forst', did you mean"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, arguments: list[str], stdin: bytes, expected: str) -> None:
    done = run(folder, *arguments, stdin=stdin)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(expected)
    assert done.stderr.count(b"\n") == 1


def test_a_server_that_does_not_know_the_model_says_which_it_does(folder: Path, server: Running) -> None:
    done = run(folder, "sft", "rows.csv", "--url", server.origin)
    assert done.returncode == 1
    assert "HTTP status 404: no model 'sft'; did you mean 'soft'?" in done.stderr.decode()


def test_a_degraded_answer_says_so_in_its_row_and_at_the_end(folder: Path, tmp_path: Path, trained: Registry) -> None:
    config = write_config(tmp_path, trained.path, inline=True)
    far = '[backends.far]\nurl = "http://127.0.0.1:1"\nmodel = "x"\nfeatures = ["mean radius"]\n'
    far += 'labels = ["malignant", "benign"]\n[ensembles.mixed]\nmembers = ["mlp", "logreg", "far"]\nquorum = 2\n'
    config.write_text(config.read_text() + far)
    done = run(folder, "mixed", "rows.json", "-c", str(config))
    said = records(done)
    assert all(record["degraded"] for record in said)
    assert f"warning: {len(said)} of {len(said)} answers are degraded" in done.stderr.decode()


def test_whoever_reads_may_stop_reading(folder: Path) -> None:
    header, *rows = (folder / "rows.csv").read_text().splitlines()
    path = folder / "many.csv"
    path.write_text("\n".join([header, *(rows * (9000 // len(rows)))]))
    command = f"{sys.executable} -m server predict mlp {path} -c {folder / 'chorus.toml'} | head -n 1"
    environ = os.environ | {"CHORUS_PORT": "0"}
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120, env=environ)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""

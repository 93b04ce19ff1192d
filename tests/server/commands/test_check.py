"""`chorus check`, `config schema` and `init`, as a user runs them."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from models.registry import Registry

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]


def chorus(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "server", *arguments], capture_output=True, text=True, cwd=ROOT)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def written(folder: Path, registry: Path, text: str) -> str:
    path = folder / "chorus.toml"
    path.write_text(f'[registry]\npath = "{registry}"\n[server]\nport = 0\n{text}')
    return str(path)


def test_a_clean_configuration_ends_with_0_and_one_line(trained: Registry, tmp_path: Path) -> None:
    path = written(tmp_path, trained.path, '[backends.mlp]\nmodel = "breast-cancer/mlp"')
    expected = f"{path}: no errors, 0 warnings (1 backend, 0 ensembles); next: chorus serve\n"
    assert chorus("check", "-c", path) == (0, expected, "")


def test_warnings_alone_end_with_0(trained: Registry, tmp_path: Path) -> None:
    text = '[backends.mlp]\nmodel = "breast-cancer/mlp"\n[ensembles.e]\nmembers = ["mlp"]\ntimeout_ms = 90000'
    code, said, warned = chorus("check", "-c", written(tmp_path, trained.path, text))
    assert code == 0
    assert "1 warning " in said
    assert "warning: " in warned


BAD = """prot = 1
[backends.forest]
model = "breast-cancer/forst"
[backends.far]
url = "http://127.0.0.1:1"
model = "x"
features = ["a"]
labels = ["y", "n"]
[ensembles.e]
members = ["far", "who"]
rule = "mean"
"""


def test_every_mistake_is_one_line_and_serve_says_the_same(trained: Registry, tmp_path: Path) -> None:
    path = written(tmp_path, trained.path, BAD)
    code, said, errors = chorus("check", "-c", path)
    assert (code, said) == (1, "")
    places = [line.removeprefix(f"error: {path}: ").partition(":")[0] for line in errors.splitlines()[:-1]]
    assert places == ["[server] prot", "[ensembles.e] members", "[backends.forest] model", "[backends.far] url"]
    assert errors.splitlines()[-1] == f"{path}: 4 errors, 0 warnings"
    offline = chorus("check", "--offline", "-c", path)[2].splitlines()[:-1]
    assert offline == errors.splitlines()[:3]
    code, said, errors = chorus("serve", "-c", path)
    assert (code, said, errors.splitlines()) == (1, "", offline)


def test_json_has_the_same_findings(trained: Registry, tmp_path: Path) -> None:
    path = written(tmp_path, trained.path, BAD)
    code, said, errors = chorus("check", "--json", "--offline", "-c", path)
    report = msgspec.json.decode(said)
    assert (code, errors, report["ok"], report["config"]) == (1, "", False, path)
    assert report["errors"][0] == {
        "table": "server", "key": "prot", "text": "unknown key; did you mean 'port'?", "origin": path,
    }  # fmt: skip


def test_a_file_that_is_not_there_is_a_finding_too(tmp_path: Path) -> None:
    code, said, errors = chorus("check", "--json", "-c", str(tmp_path / "none.toml"))
    assert (code, errors) == (1, "")
    assert "name one with --config, or write one: chorus init" in msgspec.json.decode(said)["errors"][0]["text"]


def test_the_schema_is_printed() -> None:
    code, said, _ = chorus("config", "schema")
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(msgspec.json.decode(said))


def test_what_init_writes_passes_the_check(trained: Registry, tmp_path: Path) -> None:
    (tmp_path / ".chorus").mkdir()
    (tmp_path / ".chorus" / "registry").symlink_to(trained.path)
    path = str(tmp_path / "chorus.toml")
    code, said, _ = chorus("init", path)
    assert code == 0
    assert f"chorus check --config {path}" in said
    Path(path).write_text(Path(path).read_text().replace("port = 8080", "port = 0"))
    assert chorus("check", "-c", path)[0] == 0


def test_init_replaces_nothing_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "chorus.toml"
    path.write_text("mine")
    code, _, errors = chorus("init", str(path))
    assert (code, errors) == (1, f"error: {path} is there already; to replace it: --force\n")
    assert path.read_text() == "mine"
    assert chorus("init", "--force", str(path))[0] == 0
    assert "[backends.logreg]" in path.read_text()
    assert chorus("init", str(tmp_path / "no" / "folder.toml"))[2].startswith("error: cannot write")

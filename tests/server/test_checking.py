"""What a check finds without asking anybody: in the file, in the registry, between the members."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry import Registry
from server.checking import damages_of, findings_of
from server.config import read_config

FAR = """
[backends.far]
url = "http://127.0.0.1:1"
model = "x"
features = ["mean radius"]
labels = ["benign", "malignant"]
"""


def config(folder: Path, registry: Path, text: str) -> Path:
    path = folder / "chorus.toml"
    path.write_text(f'[registry]\npath = "{registry}"\n' + text)
    return path


def found(folder: Path, registry: Registry, text: str) -> list[str]:
    """The errors, without the file's name."""
    path = config(folder, registry.path, text)
    return [str(error).removeprefix(f"{path}: ") for error in findings_of(read_config(path, {}, {})).errors]


def local(*names: str) -> str:
    return "".join(f'[backends.{name}]\nmodel = "breast-cancer/{name}"\n' for name in names)


def test_a_right_configuration_has_no_findings(tmp_path: Path, trained: Registry) -> None:
    text = local("forest", "mlp") + FAR + '[ensembles.all]\nmembers = ["forest", "mlp", "far"]\nrule = "soft"'
    assert found(tmp_path, trained, text) == []


def test_a_missing_model_or_version_names_those_that_there_are(tmp_path: Path, trained: Registry) -> None:
    text = '[backends.a]\nmodel = "breast-cancer/forst"\n[backends.b]\nmodel = "breast-cancer/mlp@7"'
    first, second = found(tmp_path, trained, text)
    assert first.startswith("[backends.a] model: no model 'breast-cancer/forst', did you mean 'breast-cancer/forest'?")
    assert second.startswith("[backends.b] model: no version or alias of breast-cancer/mlp '7'; there are: champion, 1")
    assert "chorus train" not in first + second


def test_an_empty_registry_says_what_fills_it(tmp_path: Path) -> None:
    (error,) = found(tmp_path, Registry(tmp_path / "none"), local("forest"))
    assert error.endswith("is empty; for the built-in models: chorus train --missing")


def test_a_function_whose_module_is_nowhere_is_an_error_and_none_is_imported(tmp_path: Path, trained: Registry) -> None:
    said = 'features = ["a"]\nlabels = ["x", "y"]\n'
    text = f'[backends.a]\npython = "nowhere_at_all:f"\n{said}[backends.b]\npython = "here:f"\n{said}'
    text += f'[backends.c]\npython = "numpy.linalg:norm"\n{said}'
    (tmp_path / "here.py").write_text("raise SystemExit")
    (error,) = found(tmp_path, trained, text)
    assert error.startswith("[backends.a] python: no module 'nowhere_at_all' in ")


def test_labels_that_do_not_match_are_an_error_at_the_ensemble(tmp_path: Path, trained: Registry) -> None:
    text = local("forest") + FAR.replace('"benign",', '"good",') + '[ensembles.all]\nmembers = ["forest", "far"]'
    assert found(tmp_path, trained, text) == [
        "[ensembles.all] members: far has the labels ['good', 'malignant'], expected ['malignant', 'benign']"
    ]


def test_a_rule_that_does_not_fit_the_task_names_those_that_do(tmp_path: Path, trained: Registry) -> None:
    (error,) = found(tmp_path, trained, local("forest") + '[ensembles.all]\nmembers = ["forest"]\nrule = "mean"')
    assert error.startswith("[ensembles.all] rule: no rule 'mean' for classification; rules that fit: hard, soft")


def test_members_of_members_are_checked(tmp_path: Path, trained: Registry) -> None:
    nested = '[ensembles.outer]\nmembers = ["inner", "far"]\n[ensembles.inner]\nmembers = ["forest"]\n'
    (error,) = found(tmp_path, trained, local("forest") + FAR.replace('"benign",', '"good",') + nested)
    assert error.startswith("[ensembles.outer] members: far has the labels")


def test_weights_without_a_common_unit_are_an_error(tmp_path: Path, trained: Registry) -> None:
    text = local("forest", "mlp") + '[ensembles.all]\nmembers = ["forest", "mlp"]\nweights = { mlp = 1e-300 }'
    (error,) = found(tmp_path, trained, text)
    assert error.startswith("[ensembles.all] weights: weights must have a common unit")


def test_all_mistakes_are_found_at_once_and_one_is_told_once(tmp_path: Path, trained: Registry) -> None:
    text = "[server]\nprot = 1\n" + local("forest", "nobody")
    text += '[ensembles.all]\nmembers = ["forest", "nobody"]\nrule = "mean"\nquorum = 3\n[ensembles.b]\nmembers = ["c"]'
    assert [error.partition(":")[0] for error in found(tmp_path, trained, text)] == [
        "[server] prot",
        "[ensembles.all] quorum",
        "[ensembles.b] members",
        "[backends.nobody] model",
    ]


def test_cycles_end_a_check_with_one_mistake(tmp_path: Path, trained: Registry) -> None:
    text = local("forest") + '[ensembles.a]\nmembers = ["b", "forest"]\n[ensembles.b]\nmembers = ["a", "forest"]'
    (error,) = found(tmp_path, trained, text)
    assert "nothing can be a part of itself" in error


def test_doubts_are_warnings_with_their_place(tmp_path: Path, trained: Registry) -> None:
    text = local("forest", "mlp", "logreg")
    text += '[ensembles.all]\nmembers = ["forest", "mlp", "logreg"]\nweights = { mlp = 2 }'
    path = config(tmp_path, trained.path, text)
    findings = findings_of(read_config(path, {}, {}))
    assert not findings.errors
    (line,) = findings.lines()
    assert line.startswith(f"warning: {path}: [ensembles.all] weights: without 'mlp' alone there is no quorum")


def test_a_file_that_is_not_what_was_registered_is_found(tmp_path: Path, trained: Registry) -> None:
    copy = tmp_path / "registry"
    shutil.copytree(trained.path, copy)
    artefact = copy / "breast-cancer" / "mlp" / "1" / "model.onnx"
    artefact.chmod(0o644)
    artefact.write_bytes(artefact.read_bytes()[:-1] + b"x")
    read = read_config(config(tmp_path, copy, local("mlp", "forest", "nobody")), {}, {}).config
    (damage,) = damages_of(read)
    assert (damage.table, damage.key) == ("backends.mlp", "model")
    assert "its SHA-256 differs" in damage.text


@pytest.mark.processes
def test_a_check_imports_nothing_that_fits_or_runs_models(tmp_path: Path, trained: Registry) -> None:
    path = config(tmp_path, trained.path, "[server]\nport = 0\n" + local("forest", "mlp"))
    code = (
        "import sys\nfrom server.__main__ import chorus\n"
        f"try:\n chorus(['check', '-c', {str(path)!r}], standalone_mode=False)\n"
        "except SystemExit as done:\n assert done.code == 0\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no errors" in done.stdout
    assert not {"sklearn", "xgboost", "skl2onnx", "scipy", "onnxruntime"} & set(done.stdout.split())

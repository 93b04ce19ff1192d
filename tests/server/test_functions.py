"""Python functions as backends: in workers, in the front, and when they cannot be imported."""

from pathlib import Path

import pytest

from server.config import ConfigError, PythonSettings, load_config
from tests.running import Running

BACKEND = 'features = ["bmi", "sex:BYTES"]\nlabels = ["low", "high"]\nexample = [30.0, "male"]\n'
RULES = """
import os

def predict(columns):
    return ["high" if bmi > 27 and sex == "male" else "low" for bmi, sex in zip(columns["bmi"], columns["sex"])]

def share(columns):
    return [[0.25, 0.75]] * len(columns["bmi"])

def dies(columns):
    if columns["bmi"][0] != 30:
        os._exit(3)
    return share(columns)
"""


def write(folder: Path, text: str) -> Path:
    (folder / "rules.py").write_text(RULES)
    path = folder / "chorus.toml"
    path.write_text(text)
    return path


@pytest.mark.processes
def test_functions_vote_in_workers_and_inline(tmp_path: Path) -> None:
    text = (
        f'[backends.rule]\npython = "rules:predict"\n{BACKEND}'
        f'[backends.share]\npython = "rules:share"\ninline = true\n{BACKEND}'
        f'[backends.dies]\npython = "rules:dies"\n{BACKEND}'
        f'[backends.broken]\npython = "rules:predikt"\n{BACKEND}'
        '[ensembles.all]\nmembers = ["rule", "share", "dies", "broken"]\nrule = "soft"\nquorum = 2\n'
    )
    with Running(write(tmp_path, text), tmp_path) as server:
        rows = [[31, "male"], {"sex": "female", "bmi": 31}]
        status, answer = server.ask("/predict", {"instances": rows})
        assert (status, answer["predictions"]) == (200, ["high", "low"])
        assert answer["probabilities"] == [[0.125, 0.875], [0.625, 0.375]]
        fates = {name: said["fate"] for name, said in answer["members"].items()}
        assert (fates["rule"], fates["share"], fates["broken"]) == ("ok", "ok", "skipped")
        assert fates["dies"] in ("failed", "skipped")
        assert server.pids().keys() >= {"rule"}
        assert "share" not in server.pids()
        status, problem = server.ask("/v1/models/rule:predict", {"instances": [[30, 1]]})
        assert (status, problem["where"]) == (400, "$.instances[0][1]")
        status, answer = server.ask("/v1/models/rule:predict", {"instances": [[30, "male"]]})
        assert answer["predictions"] == ["high"]
        assert "[backends.broken] rules" in server.printed
        assert "did you mean 'predict'?" in server.printed


@pytest.mark.processes
def test_an_inline_function_that_cannot_be_imported_ends_the_start_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_the_kind")
    text = f'[backends.rule]\npython = "broken:predict"\ninline = true\n{BACKEND}'
    with pytest.raises(RuntimeError) as caught:
        Running(write(tmp_path, text), tmp_path)
    lines = [line for line in str(caught.value).splitlines() if "[backends.rule]" in line]
    assert any("No module named 'nothing_of_the_kind'" in line for line in lines)
    assert "Traceback" not in str(caught.value)


def test_the_folder_is_the_configurations_own_unless_it_says_more(tmp_path: Path) -> None:
    path = write(tmp_path, f'[backends.rule]\npython = "rules:predict"\npath = "lib"\n{BACKEND}')
    settings = load_config(path).backends["rule"]
    assert isinstance(settings, PythonSettings)
    assert settings.path == str(tmp_path / "lib")
    path = write(tmp_path, f'[backends.rule]\npython = "rules:predict"\n{BACKEND}')
    settings = load_config(path).backends["rule"]
    assert isinstance(settings, PythonSettings)
    assert settings.path == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('python = "rules"\nfeatures = ["a"]\nlabels = ["x", "y"]', "python: expected a function, 'module:function'"),
        ('python = "rules:f"\nfeatures = []\nlabels = ["x", "y"]', "features: expected at least one"),
        ('python = "rules:f"\nfeatures = ["a"]', "labels: a classifier needs at least two"),
        ('python = "rules:f"\nfeatures = ["a"]\ntask = "regression"\nlabels = ["x"]', "labels: not for regression"),
        (
            'python = "rules:f"\nfeatures = ["a"]\nlabels = ["x", "y"]\nmodel = "m"',
            "model: not for a backend with a python",
        ),
        ('python = "rules:f"\nlabels = ["x", "y"]', "features: missing"),
        ('python = "rules:f"\nfeatures = ["a"]\nlabels = ["x", "y"]\nexample = [1, 2]', "example: expected 1 values"),
    ],
)
def test_a_function_needs_to_be_described(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, f"[backends.rule]\n{text}\n"))
    assert said in str(caught.value)

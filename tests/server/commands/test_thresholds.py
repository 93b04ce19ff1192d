"""`chorus thresholds`, on rows that a user has."""

import csv
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from models.datasets import Dataset, dataset_called, split
from models.registry import Registry
from models.training import SEED
from server.__main__ import chorus


@pytest.fixture
def folder(tmp_path: Path, others: Registry) -> Path:
    """A configuration with two cascades, and test rows with and without their labels."""
    names = {"digits": ("logreg", "qda", "knn"), "diabetes": ("ridge", "svr", "forest")}
    backends = "".join(
        f'[backends.{dataset}-{one}]\nmodel = "{dataset}/{one}"\n' for dataset, ones in names.items() for one in ones
    )
    (tmp_path / "chorus.toml").write_text(
        f'[registry]\npath = "{others.path}"\n{backends}'
        '[cascades.digits]\nstages = [["digits-logreg", "digits-qda"], ["digits-knn"]]\nmin_confidence = 0.75\n'
        '[cascades.diabetes]\nstages = [["diabetes-ridge", "diabetes-svr"], ["diabetes-forest"]]\nmax_spread = 5\n'
    )
    data = dataset_called("digits")
    write(tmp_path / "rows.csv", data, labels=True)
    write(tmp_path / "unlabelled.csv", data, labels=False)
    return tmp_path


def write(path: Path, data: Dataset, *, labels: bool) -> None:
    rows = split(data, SEED)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.features, *(["label"] if labels else [])])
        for x, y in zip(rows.x_test.tolist(), rows.y_test.tolist(), strict=True):
            writer.writerow([*x, *([data.labels[y]] if labels else [])])


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(chorus, ["thresholds", *arguments, "--config", str(folder / "chorus.toml")])


def test_the_table_has_a_row_for_each_threshold_and_marks_the_one_that_is_set(folder: Path) -> None:
    result = run(folder, "digits", str(folder / "rows.csv"), "--json")
    assert result.exit_code == 0, result.output
    document = msgspec.json.decode(result.stdout)
    found = {one["min_confidence"]: (one["went_on"], one["accuracy"]) for one in document["thresholds"]}
    assert list(found) == [0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, None]
    shares = [share for share, _ in found.values()]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1
    assert all(0.9 < accuracy <= 1 for _, accuracy in found.values())
    printed = run(folder, "digits", str(folder / "rows.csv")).stdout
    assert "* 0.75" in printed
    assert "all stages for all" in printed


@pytest.mark.parametrize(
    ("cascade", "rows", "message"),
    [
        ("digts", "rows.csv", "no cascade 'digts', did you mean 'digits'?"),
        ("diabetes", "rows.csv", "diabetes is for regression"),
        ("digits", "unlabelled.csv", "unlabelled.csv has no column 'label' or 'target'"),
    ],
)
def test_what_cannot_be_told_is_one_line(folder: Path, cascade: str, rows: str, message: str) -> None:
    result = run(folder, cascade, str(folder / rows))
    assert message in str(result.exception)

"""442 patients with diabetes, as scikit-learn ships them: was the disease worse than the median a year later?

The laboratory's values are all there in this data set; a tenth of them is taken away here, as if they had not been
measured.
"""

import csv
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

COLUMNS = ["age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu"]
LABORATORY = COLUMNS[4:]
NUMBERS = [name for name in COLUMNS if name != "sex"]


def patients():
    """The table (442, 10) with columns of mixed types, and the labels (442,)."""
    raw = load_diabetes(scaled=False)
    table = raw.data.astype(object)
    table[:, 0] = raw.data[:, 0].astype(int)
    table[:, 1] = np.where(raw.data[:, 1] == 1, "female", "male")
    missing = np.random.default_rng(7).random((len(table), len(LABORATORY))) < 0.1
    table[:, 4:] = np.where(missing, np.nan, raw.data[:, 4:])
    return table, np.where(raw.target > np.median(raw.target), "high", "low")


def columns(table, names):
    """Some columns as float32."""
    return table[:, [COLUMNS.index(name) for name in names]].astype(np.float32)


def write_rows(path: Path, table, labels):
    """Rows to check a model with: an empty cell is a missing value."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "label"])
        for row, label in zip(table, labels, strict=True):
            writer.writerow(["" if value != value else value for value in row] + [label])

"""Fit a pipeline on columns of mixed types with missing values, and register it from Python."""

from pathlib import Path

from patients import COLUMNS, patients
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models.registry import Registry

USED = ["age", "sex", "bmi", "hdl", "ltg"]

table, labels = patients()
x = table[:, [COLUMNS.index(name) for name in USED]]  # an array of objects; a pandas data frame does as well
encode = ColumnTransformer(
    [("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [1])], remainder="passthrough"
)
typed = make_pipeline(encode, HistGradientBoostingClassifier(max_depth=2, max_iter=60, random_state=7))
typed.fit(x[:300], labels[:300])

registry = Registry(Path(__file__).parent / ".chorus/registry")
version = registry.register(typed, "diabetes/typed", x[300:], labels[300:], features=USED)
accuracy = version.manifest.metrics["accuracy"]
print(f"registered {version}: runs by {version.manifest.runtime}, accuracy {accuracy:.3g}")

"""Fit three models elsewhere, as it were, and save them as their libraries do: .onnx, .ubj and .skops."""

from pathlib import Path

import skops.io
from patients import NUMBERS, columns, patients, write_rows
from skl2onnx import to_onnx
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from xgboost import XGBClassifier

files = Path(__file__).parent / "files"
files.mkdir(exist_ok=True)
table, labels = patients()
learn, check = slice(0, 300), slice(300, None)
write_rows(files / "rows.csv", table[check], labels[check])

# three columns, none of which may be missing; converted here, without ZipMap
x = columns(table, ["age", "bmi", "bp"])
linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[learn], labels[learn])
onnx = to_onnx(linear, x[:1], options={id(linear): {"zipmap": False}})
(files / "linear.onnx").write_bytes(onnx.SerializeToString())

# all numbers; xgboost takes missing values as they are, and its file remembers the names
x = columns(table, NUMBERS)
boosted = XGBClassifier(n_estimators=60, max_depth=2, learning_rate=0.1, n_jobs=1, random_state=7)
boosted.fit(x[learn], labels[learn] == "high")
boosted.get_booster().feature_names = NUMBERS
boosted.save_model(files / "boosted.ubj")

# splines have no ONNX converter, so this one will be served by scikit-learn
x = columns(table, ["bmi", "hdl", "ltg"])
spline = make_pipeline(SimpleImputer(), SplineTransformer(n_knots=4), LogisticRegression(max_iter=1000))
skops.io.dump(spline.fit(x[learn], labels[learn]), files / "spline.skops")

print("made", *sorted(path.name for path in files.iterdir()))

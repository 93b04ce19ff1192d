"""Run in MLServer's own environment: fit a model, write it where argv[1] says, and print what it says of some rows."""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x, y = load_breast_cancer(return_X_y=True)
x = x.astype(np.float32)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
joblib.dump(model, Path(sys.argv[1]))
rows = x[:40]
print(json.dumps({"rows": rows.tolist(), "probabilities": model.predict_proba(rows).tolist()}))

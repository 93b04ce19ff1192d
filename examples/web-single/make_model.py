"""A boosted forest that tells benign from malignant tumours, as a file that came from somewhere else."""

from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier

data = load_breast_cancer()
model = XGBClassifier(n_estimators=100, max_depth=4, random_state=0).fit(data.data.astype("float32"), data.target)
model.get_booster().feature_names = list(data.feature_names)
model.save_model("tumour.ubj")

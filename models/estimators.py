"""What the built-in members of an ensemble are before they are fitted: different kinds, each with modest settings."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from models.types import Task


def _logreg(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=200, random_state=seed)


def _hist_gb(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=seed)


def _mlp(seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=1000, random_state=seed))


def _xgboost(seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, max_depth=3, learning_rate=0.1, n_jobs=1, random_state=seed)


ESTIMATORS: Mapping[Task, Mapping[str, Callable[[int], Any]]] = {
    "classification": {
        "logreg": _logreg,
        "forest": _forest,
        "hist-gb": _hist_gb,
        "mlp": _mlp,
        "xgboost": _xgboost,
    },
}
"""By task and member: an unfitted estimator from a seed."""


def parameters_of(estimator: Any) -> dict[str, Any]:
    """What `estimator` was set to, as far as JSON can say it. What is not here is unset."""
    plain = (bool, int, float, str, tuple, list)
    return {name: value for name, value in estimator.get_params().items() if isinstance(value, plain) and _json(value)}


def _json(value: Any) -> bool:
    """Neither NaN, which is xgboost's word for a missing value, nor a pipeline's list of steps."""
    if isinstance(value, tuple | list):
        return all(isinstance(item, bool | int | float | str) for item in value)
    return not (isinstance(value, float) and math.isnan(value))

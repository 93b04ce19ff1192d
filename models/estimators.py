"""What the built-in members of an ensemble are before they are fitted: different kinds, each with modest settings."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


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


def _mlp(seed: int, learning_rate: float = 0.001) -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier((32,), max_iter=1000, learning_rate_init=learning_rate, random_state=seed)
    return make_pipeline(StandardScaler(), network)


def _xgboost(seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, max_depth=3, learning_rate=0.1, n_jobs=1, random_state=seed)


def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(n_estimators=100, random_state=seed)


def _knn(seed: int) -> Any:
    """Nothing in it is random. Distances between whole numbers are exact: the neighbours are the same in float32."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(5)


def _qda(seed: int) -> Any:
    """Nothing in it is random. Regularised, for some pixels are always blank."""
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return QuadraticDiscriminantAnalysis(reg_param=0.1)


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(random_state=seed))


def _svr(seed: int) -> Any:
    """Nothing in it is random. `C` is of the size of the target's spread, which is not scaled."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    return make_pipeline(StandardScaler(), SVR(C=30.0, gamma=0.02))


def _knn_regressor(seed: int) -> Any:
    """Nothing in it is random."""
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), KNeighborsRegressor(15))


def _forest_regressor(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(n_estimators=200, min_samples_leaf=3, random_state=seed)


def _xgboost_regressor(seed: int) -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=100, max_depth=3, learning_rate=0.05, n_jobs=1, random_state=seed)


ESTIMATORS: Mapping[str, Mapping[str, Callable[[int], Any]]] = {
    "breast-cancer": {
        "logreg": _logreg,
        "forest": _forest,
        "hist-gb": _hist_gb,
        "mlp": _mlp,
        "xgboost": _xgboost,
    },
    "digits": {
        "logreg": _logreg,
        "qda": _qda,
        "knn": _knn,
        "extra-trees": _extra_trees,
        "mlp": partial(_mlp, learning_rate=0.01),
        "xgboost": _xgboost,
    },
    "diabetes": {
        "ridge": _ridge,
        "svr": _svr,
        "knn": _knn_regressor,
        "forest": _forest_regressor,
        "xgboost": _xgboost_regressor,
    },
}
"""By data set and member: an unfitted estimator from a seed."""


def parameters_of(estimator: Any) -> dict[str, Any]:
    """What `estimator` was set to, as far as JSON can say it. What is not here is unset."""
    plain = (bool, int, float, str, tuple, list)
    return {name: value for name, value in estimator.get_params().items() if isinstance(value, plain) and _json(value)}


def _json(value: Any) -> bool:
    """Neither NaN, which is xgboost's word for a missing value, nor a pipeline's list of steps."""
    if isinstance(value, tuple | list):
        return all(isinstance(item, bool | int | float | str) for item in value)
    return not (isinstance(value, float) and math.isnan(value))

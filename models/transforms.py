"""Transformers: estimators and graphs that give other columns of their rows, for models to be asked about."""

from collections.abc import Sequence
from typing import Any

from models.columns import INPUT
from models.errors import RegistryError
from models.types import TensorSpec


def is_transformer(estimator: Any) -> bool:
    """Whether it transforms rows, and predicts nothing of them."""
    return hasattr(estimator, "transform") and not hasattr(estimator, "predict")


def columns_out(estimator: Any, specs: Sequence[TensorSpec], names: Sequence[str] = ()) -> tuple[TensorSpec, ...]:
    """The columns that `estimator` makes of the inputs `specs`; as it names them itself, unless there are `names`.

    Raises:
        RegistryError: nobody says how many there are, or the names are not as many.
    """
    own = _own_names(estimator, [feature for spec in specs for feature in spec.features])
    if names and own and len(names) != len(own):
        raise RegistryError(
            f"it gives {len(own)} columns, but {len(names)} outputs are named: {', '.join(names)[:200]}"
        )
    if not (names or own):
        raise RegistryError(
            f"{type(estimator).__name__} does not say what columns it gives; name them with --outputs a,b"
        )
    features = tuple(names) or own
    return (TensorSpec(INPUT, "FP32", (-1, len(features)), features),)


def _own_names(estimator: Any, features: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(map(str, estimator.get_feature_names_out(features)))
    except Exception:  # whatever a step within it raises that has no names
        return ()

"""What every way to run a model has in common."""

import logging
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from models.answers import validated
from models.errors import ModelFailed
from models.types import Array, Signature

log = logging.getLogger(__name__)


class Model(Protocol):
    """A loaded model: named tensors of n rows in, `probabilities` (n, k) or `predictions` (n,) out. Synchronous.

    Raises:
        BackendError: `ModelFailed` where its own code raised, `InvalidAnswer` where it said nonsense.
    """

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]: ...


class Trusted:
    """`inner`, a runtime's bare model, as all others see it: its answer checked and calibrated, its exceptions ours."""

    def __init__(self, inner: Model, signature: Signature, temperature: float | None = None) -> None:
        self.inner = inner
        self._signature = signature
        self._temperature = temperature

    def __call__(self, inputs: Mapping[str, Array], /) -> dict[str, Array]:
        rows = len(next(iter(inputs.values())))
        try:
            outputs = self.inner(inputs)
        except (Exception, SystemExit) as error:  # code that is not ours may raise anything
            log.error("the model raised %s", one_line(error))  # callers are not told: it may quote what they sent
            raise ModelFailed(one_line(error)) from error
        return validated(outputs, self._signature, rows, temperature=self._temperature)


def matrix(inputs: Mapping[str, Array], signature: Signature) -> Array:
    """All inputs side by side (n, f), in the signature's order."""
    columns = [np.asarray(inputs[spec.name], spec.dtype) for spec in signature.inputs]
    return columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1)


def one_line(error: BaseException, limit: int = 200) -> str:
    """What `error` says, in one line of at most `limit` characters, without the stack trace that xgboost puts in."""
    said = " ".join(str(error).partition("Stack trace:")[0].split())
    return f"{type(error).__name__}: {said}"[:limit].rstrip(" :")

"""Temperature scaling: probabilities that mean what they say, so that they can be pooled.

A model that is too sure of itself has a temperature above 1, a timid one below. The predicted label stays.

Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
"""

from dataclasses import dataclass

import numpy as np

from models.types import Array

FLOOR = 1e-6  # no model knows more than this; also what a float32 can still tell from 1
BOUNDS = (0.2, 5.0)
NEAR = 1e-3  # the search never quite reaches a bound


@dataclass(frozen=True, slots=True)
class Temperature:
    """A fitted temperature; losses are log losses in nats, before (at 1) and after. `at_bound`: distrust it."""

    value: float
    at_bound: bool
    loss_before: float
    loss_after: float


def tempered(probabilities: Array, temperature: float) -> Array:
    """`probabilities` (n, k) at `temperature`: softmax(log(max(p, 1e-6)) / T), in float64.

    That is the power 1/T, renormalised; with these bounds on p and T it is far from underflow.
    """
    powers = np.maximum(probabilities, FLOOR, dtype=np.float64) ** (1 / temperature)
    return np.asarray(powers / np.add.reduce(powers, axis=1, keepdims=True))


def fit_temperature(probabilities: Array, targets: Array) -> Temperature:
    """The temperature that minimises the log loss of `probabilities` (n, k) against `targets` (n,), label indices.

    The probabilities must be of rows that the model was not fitted on, else every model looks timid.
    """
    from scipy.optimize import minimize_scalar  # heavy, and never needed to serve

    def loss(logarithm: float) -> float:
        return log_loss(tempered(probabilities, float(np.exp(logarithm))), targets)

    low, high = np.log(BOUNDS)
    value = float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))
    bound = next((bound for bound in BOUNDS if abs(value / bound - 1) < NEAR), None)
    value = value if bound is None else bound
    return Temperature(value, bound is not None, loss(0.0), loss(float(np.log(value))))


def log_loss(probabilities: Array, targets: Array) -> float:
    """The mean of -ln of what `probabilities` (n, k) gave to `targets` (n,), floored as in `tempered`."""
    given = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(given, FLOOR)).mean())

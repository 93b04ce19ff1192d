"""Temperatures, on probabilities whose true temperature is known."""

import numpy as np
import pytest

from models.calibration import BOUNDS, fit_temperature, log_loss, tempered
from models.types import Array


def honest(rows: int = 4000) -> tuple[Array, Array]:
    """Probabilities (n, 3) and targets that were drawn from them."""
    random = np.random.default_rng(7)
    said = random.dirichlet((1.0, 1.0, 1.0), rows)
    return said, (random.random(rows)[:, None] > said.cumsum(axis=1)).sum(axis=1)


def test_a_temperature_of_one_changes_nothing_above_the_floor() -> None:
    said = np.array([[0.2, 0.3, 0.5]])
    assert np.allclose(tempered(said, 1.0), said, rtol=0, atol=1e-15)


def test_heat_flattens_and_cold_sharpens() -> None:
    said = np.array([[0.2, 0.8]])
    assert tempered(said, 2.0).tolist() == [pytest.approx([1 / 3, 2 / 3])]
    assert tempered(said, 0.5).tolist() == [pytest.approx([1 / 17, 16 / 17])]


def test_certainty_is_floored() -> None:
    assert tempered(np.array([[0.0, 1.0]]), 1.0)[0, 0] == pytest.approx(1e-6, rel=1e-5)


def test_float32_is_reckoned_in_float64() -> None:
    assert tempered(np.array([[0.25, 0.75]], np.float32), 1.5).dtype == np.float64


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_true_temperature_is_found(true: float) -> None:
    said, targets = honest()
    fitted = fit_temperature(tempered(said, 1 / true), targets)
    assert fitted.value == pytest.approx(true, rel=0.05)
    assert not fitted.at_bound
    assert fitted.loss_after <= fitted.loss_before


def test_a_model_that_is_always_right_ends_at_the_lower_bound() -> None:
    targets = np.array([0, 1] * 20)
    fitted = fit_temperature(np.where(np.eye(2)[targets] == 1, 0.9, 0.1), targets)
    assert (fitted.value, fitted.at_bound) == (BOUNDS[0], True)


def test_a_model_that_knows_nothing_but_boasts_ends_at_the_upper_bound() -> None:
    targets = np.array([0, 1] * 20)
    fitted = fit_temperature(np.tile([0.999, 0.001], (40, 1)), targets)
    assert (fitted.value, fitted.at_bound) == (BOUNDS[1], True)


def test_log_loss_is_the_mean_surprise() -> None:
    assert log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(np.log([2, 4 / 3]).mean())

"""The same key always the same side, shares that are kept, and sides that only take when they grow."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.sharing import Shares, text_of

KEYS = [f"user-{number}" for number in range(100_000)]


@pytest.mark.parametrize(
    "shares", [(0.95, 0.05), (0.5, 0.3, 0.2), (0.7, 0.1, 0.1, 0.1), (0.999, 0.001), (1.0,), (0.0, 1.0)]
)
def test_each_side_gets_its_share_within_one_percent(shares: tuple[float, ...]) -> None:
    sides = Counter(Shares(shares, "split").sides(KEYS).tolist())
    assert [sides[side] / len(KEYS) for side in range(len(shares))] == pytest.approx(list(shares), abs=0.01)


def test_the_same_key_is_always_on_the_same_side_alone_or_with_others() -> None:
    one, again = Shares((0.9, 0.1), "split"), Shares((0.9, 0.1), "split")
    assert [one.side(key) for key in KEYS[:1000]] == again.sides(KEYS[:1000]).tolist()


def test_another_split_shares_otherwise() -> None:
    one, other = (Shares((0.5, 0.5), salt).sides(KEYS) for salt in ("one", "other"))
    assert (one == other).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        ((0.95, 0.05), (0.8, 0.2), 1),
        ((0.95, 0.05), (0.0, 1.0), 1),
        ((0.6, 0.2, 0.2), (0.5, 0.3, 0.2), 1),
        ((0.6, 0.2, 0.2), (0.4, 0.2, 0.4), 2),
    ],
)
def test_a_side_that_grows_takes_keys_from_the_first_alone(
    before: tuple[float, ...], after: tuple[float, ...], grown: int
) -> None:
    old, new = Shares(before, "split").sides(KEYS), Shares(after, "split").sides(KEYS)
    moved = old != new
    assert set(zip(old[moved].tolist(), new[moved].tolist(), strict=True)) == {(0, grown)}
    assert moved.mean() == pytest.approx(after[grown] - before[grown], abs=0.01)


@given(st.text(max_size=20), st.floats(0, 1), st.text(max_size=64).filter(lambda text: len(text.encode()) <= 64))
def test_every_key_has_a_side(key: str, share: float, salt: str) -> None:
    assert Shares((1 - share, share), salt).side(key) in (0, 1)


@pytest.mark.parametrize("shares", [(), (0.5, 0.4), (1.5, -0.5), (float("nan"), 1.0)])
def test_shares_sum_to_one(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must not be negative and sum to 1"):
        Shares(shares, "split")


def test_equal_values_are_one_key() -> None:
    assert {text_of(7), text_of(7.0), text_of("7"), text_of(float(np.float32(7)))} == {"7"}
    assert (text_of(True), text_of(0.5), text_of(-0.0)) == ("true", "0.5", "0")

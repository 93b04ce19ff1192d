"""Sums over members, to the last bit."""

import numpy as np
import pytest

from aggregator.sums import IN_PAIRS, added


@pytest.mark.parametrize("members", range(1, 2 * IN_PAIRS + 2))
@pytest.mark.parametrize("shape", [(1,), (3,), (1, 2), (4, 1), (50, 3)])
def test_members_are_added_one_after_the_other_in_any_layout(members: int, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(members, *shape)) * 10.0 ** random.integers(-8, 8, (members, *shape))
    expected = values[0]
    for value in values[1:]:
        expected = expected + value
    for layout in (values, np.asfortranarray(values), np.concatenate([values, values], axis=1)[:, : shape[0]]):
        assert added(layout).tolist() == expected.tolist()

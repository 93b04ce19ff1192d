import numpy as np
import pytest

from backends.keep import BESIDE, Keep
from models.types import Array


def outputs(value: float = 1.0, rows: int = 1) -> dict[str, Array]:
    return {"probabilities": np.full((rows, 2), value)}


def keep(entries: int = 100, most: int = 1 << 20, ttl: float = 10.0) -> Keep:
    return Keep(entries=entries, most=most, ttl=ttl)


def test_what_was_put_is_there_until_it_is_too_old() -> None:
    kept = keep(ttl=10)
    kept.put(b"a", outputs(), 5)
    found = kept.get(b"a", 14.9)
    assert found is not None
    assert found["probabilities"].tolist() == [[1, 1]]
    assert kept.get(b"a", 15) is None
    assert (len(kept), kept.size) == (0, 0)


def test_what_was_never_put_is_not_there() -> None:
    assert keep().get(b"a", 0) is None


def test_who_was_not_asked_for_longest_makes_room() -> None:
    kept = keep(entries=2)
    kept.put(b"a", outputs(), 0)
    kept.put(b"b", outputs(), 0)
    kept.get(b"a", 0)
    kept.put(b"c", outputs(), 0)
    assert [kept.get(key, 0) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_there_are_never_more_bytes_than_allowed() -> None:
    kept = keep(most=5 * (BESIDE + 160))
    for at in range(100):
        kept.put(bytes([at]), outputs(rows=10), 0)
        assert kept.size <= 5 * (BESIDE + 160)
    assert len(kept) == 5


def test_what_is_too_large_alone_is_not_kept_and_harms_nobody() -> None:
    kept = keep(most=2000)
    kept.put(b"a", outputs(), 0)
    kept.put(b"b", outputs(rows=1000), 0)
    assert (kept.get(b"a", 0) is not None, kept.get(b"b", 0)) == (True, None)


def test_what_is_put_again_is_new() -> None:
    kept = keep(ttl=10)
    kept.put(b"a", outputs(1), 0)
    kept.put(b"a", outputs(2), 9)
    found = kept.get(b"a", 15)
    assert found is not None
    assert found["probabilities"].tolist() == [[2, 2]]
    assert (len(kept), kept.size) == (1, BESIDE + 16)


def test_it_holds_copies_that_nobody_can_write_to() -> None:
    whole = np.zeros((1000, 2))
    kept = keep()
    kept.put(b"a", {"probabilities": whole[:1]}, 0)
    whole[0] = 9
    found = kept.get(b"a", 0)
    assert found is not None
    assert found["probabilities"].tolist() == [[0, 0]]
    assert found["probabilities"].base is None
    with pytest.raises(ValueError, match="read-only"):
        found["probabilities"][0] = 1


def test_strings_have_a_size_too() -> None:
    kept = keep()
    kept.put(b"a", {"predictions": np.array(["x" * 10_000], dtype=object)}, 0)
    assert kept.size > 10_000


@pytest.mark.parametrize(("entries", "most", "ttl"), [(0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)])
def test_options_are_checked(entries: int, most: int, ttl: float) -> None:
    with pytest.raises(ValueError, match="got"):
        Keep(entries=entries, most=most, ttl=ttl)

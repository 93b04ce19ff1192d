"""How many rows may be asked together so that nobody is late for the company."""

from collections.abc import Iterable

from backends.cost import Cost

SHARE = 0.5  # of the time that is left: a batch may have to wait for its turn, and costs vary
LOSS = 2.0  # a row may cost so many times as much as in a full batch, because someone has little time


class Room:
    """In one batch, of at most `most` rows, that backends with these `costs` are asked at once.

    A full batch costs least for each row: one that has to be smaller for a rider in a hurry must not cost all others
    much more. Whom a backend cannot answer in time even alone has no say about what is asked of it.
    """

    def __init__(self, costs: Iterable[Cost], most: int) -> None:
        lines = [line for cost in costs if (line := cost.line()) is not None and line[0] > 0]
        self._most = most
        self._lines = [(a, b, b / ((LOSS - 1) * a + LOSS * b / most)) for a, b in lines]
        self._ample = max([(a * most + b) / SHARE for a, b in lines], default=0.0)

    def rows(self, rows: int, left: float) -> int:
        """How many rows all may have together, if one of them has `rows` and `left` seconds left."""
        if left >= self._ample:
            return self._most
        share = SHARE * left
        fitting = [max((share - b) / a, least) for a, b, least in self._lines if a * rows + b <= share]
        return int(min([self._most, *fitting]))

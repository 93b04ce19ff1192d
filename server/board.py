"""How many connections each front has, in memory that all fronts share: a number each, written by its owner alone."""

import mmap
from pathlib import Path

AWAY = -1  # all bits set
SIZE = 8  # bytes of one number; aligned, so that nobody reads half of one


def make_board(path: Path, fronts: int) -> None:
    """A board on which nobody is there yet."""
    path.write_bytes(b"\xff" * SIZE * fronts)


class Board:
    """The board at `path`, as the front number `index` (from 0) sees it; the supervisor has no number."""

    def __init__(self, path: Path, index: int = 0) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._numbers = memoryview(self._memory).cast("q")
        self._index = index

    def write(self, connections: int) -> None:
        """I have so many."""
        self._numbers[self._index] = connections

    def has_too_many(self, connections: int) -> bool:
        """Whether whoever has so many should let others accept: more than those who are there have on average."""
        self.write(connections)
        there = [number for number in self._numbers if number != AWAY]
        return connections * len(there) > sum(there)

    def erase(self, index: int) -> None:
        """The front number `index` is gone, and its connections with it."""
        self._numbers[index] = AWAY

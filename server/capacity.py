"""How many requests for one name may be under way: as many as are answered in good time; no clock, no I/O.

The bound is divided by how long answers took, in units of how long they may take, as Gradient2 does it (Netflix,
concurrency-limits). There they may take a multiple of what they took in the long run. But a server that asks for many
at once takes longer the more there are, long before it is short of anything; and in an overload that lasts, the long
run becomes the overload. Here every request has a deadline, and may take a share of the time that it has; more only
behind what takes that long however few there are, which a line through the times and numbers of late tells.

Little's law says at once where such steps lead in the end: as many may be under way as are answered, at the best rate
of late, in the time that an answer may take. So far the bound goes if answers have taken too long for a while, for in a
sudden overload very many are let in before the first of them is late.
"""

from collections import deque
from collections.abc import Iterable, Sequence

SHARE = 1 / 3  # of the time that a request has, its answer may take; a quarter is for the line, the rest for chance
STRETCH = 2.0  # times what it takes however few are under way is no overload either,
MOST = 0.8  # up to this share of the time
WINDOWS = 12  # how many of late say what that is, and what the best rate is,
DIFFERENT = 1.15  # if they differ by so much
START = 128
WINDOW = 0.1  # seconds after which answers are looked at together,
ENOUGH = 10  # if they are so many,
LONGEST_WINDOW = 1.0  # or they have been gathered for so long
STEP = 0.4  # of the way to what one window says is gone: a moment's trouble must not shut the door
WHILE = 2  # windows after each other in which answers take too long are no moment
LEAST_CHANGE, MOST_CHANGE = 0.5, 4.0  # what one window can say: where there is time in plenty, nobody should wait
LATE = 0.05  # of the answers of a window: it is too much, however far below the bound
REFUSED = 2.0  # the pressure that an answer speaks of which had no room further in
MEMORY = 0.3  # how much a window counts in what is known of the time that answers take


class Capacity:
    """So much `room`, between `floor` and `cap`; `usual` seconds is what an answer takes of late, None if unknown."""

    def __init__(self, floor: int, cap: int, start: int = START) -> None:
        if not 1 <= floor <= cap:
            raise ValueError(f"expected 1 <= floor <= cap, got {floor} and {cap}")
        self.floor = floor
        self.cap = cap
        self.usual: float | None = None
        self._room = float(min(max(start, floor), cap))
        self._windows: deque[tuple[float, float]] = deque(maxlen=WINDOWS)
        self._rates: deque[float] = deque(maxlen=WINDOWS)
        self._paces: deque[float] = deque(maxlen=WINDOWS)  # what answers in time took
        self._alone = 0.0
        self._pressed = 0  # windows after each other
        self._ends = 0.0
        self._peak = self._beside = self._count = 0
        self._begin(0.0)

    @property
    def room(self) -> int:
        """How many may be under way now."""
        return int(self._room)

    def add(
        self, took: float, had: float, under_way: int, now: float, *, refused: bool = False, late: bool = False
    ) -> None:
        """A request that `had` so many seconds in all was answered, or was `late`, after it `took` so many.

        `under_way`: those that were, itself included. `refused`: it came to nothing because something further in had
        no room.
        """
        if late and self._paces and had < min(self._paces):  # in more of a hurry than anyone could be
            return
        may = max(SHARE * had, min(STRETCH * self._alone, MOST * had))
        self._pressure += REFUSED if refused else took / may
        self._late += late
        if not (refused or late):
            self._answered += 1
            self._pace += took
        self._may += may
        self._took += took
        self._count += 1
        self._beside += under_way
        self._peak = max(self._peak, under_way)
        if now >= self._ends and (self._count >= ENOUGH or now >= self._ends + LONGEST_WINDOW):
            self._close(now)
            self._begin(now)

    def _begin(self, now: float) -> None:
        self._ends = now + WINDOW
        self._pressure = self._took = self._may = self._pace = 0.0
        self._count = self._answered = self._late = self._peak = self._beside = 0

    def _close(self, now: float) -> None:
        """Learn from a window; that the bound was not felt says nothing about it, unless answers are late."""
        took, pressure = self._took / self._count, self._pressure / self._count
        self.usual = _mixed(self.usual, took)
        self._windows.append((self._beside / self._count, took))
        self._rates.append(self._answered / (now - self._ends + WINDOW))
        if self._answered:
            self._paces.append(self._pace / self._answered)
        self._alone = alone(self._windows)
        self._pressed = self._pressed + 1 if pressure > 1 else 0
        if self._is_felt(pressure):
            change = min(max(1 / pressure, LEAST_CHANGE), MOST_CHANGE)
            room = self._room * (1 - STEP + STEP * change)
            if self._pressed >= WHILE:
                room = min(room, max(self._rates) * self._may / self._count)
            self._room = min(max(room, self.floor), self.cap)

    def _is_felt(self, pressure: float) -> bool:
        """Whether it is the number under way that a window speaks of."""
        if pressure > 1:
            return 2 * self._peak >= self._room or self._late > LATE * self._count
        return self._peak >= self.room


def alone(windows: Iterable[tuple[float, float]]) -> float:
    """The seconds that an answer takes however few are under way; 0 unless that is plain to see.

    `windows`: how many were under way, and how long they took. Only if those with fewer differ from those with more,
    and not if those with fewer were slower: then it is the speed that has changed.
    """
    ordered = sorted(windows)
    half = len(ordered) // 2
    if not half:
        return 0.0
    few, short = _mean(ordered[:half])
    many, long = _mean(ordered[-half:])
    if many < DIFFERENT * few or short > DIFFERENT * long:
        return 0.0
    return max(0.0, short - max(0.0, long - short) / (many - few) * few)


def _mean(windows: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(number for number, _ in windows) / len(windows), sum(took for _, took in windows) / len(windows)


def _mixed(known: float | None, new: float) -> float:
    return new if known is None else (1 - MEMORY) * known + MEMORY * new

"""What a call costs, learned from the calls before it: seconds = a * rows + b."""

from collections.abc import Iterable, Sequence

SHARE = 0.5  # of the time that is left: a batch may have to wait for its turn, and costs vary


class Cost:
    """A least-squares line through the durations of recent calls; older ones fade. No clock, no I/O.

    One slow call (a page fault, a stopped process) fades with the rest: `memory` is how many calls count.
    """

    def __init__(self, *, memory: int = 50) -> None:
        self._keep = 1 - 1 / memory
        self._n = self._x = self._y = self._xx = self._xy = 0.0

    def learn(self, rows: int, seconds: float) -> None:
        """A call with `rows` rows took `seconds`."""
        keep = self._keep
        self._n = self._n * keep + 1
        self._x = self._x * keep + rows
        self._y = self._y * keep + seconds
        self._xx = self._xx * keep + rows * rows
        self._xy = self._xy * keep + rows * seconds

    def line(self) -> tuple[float, float] | None:
        """(a, b), neither negative; None before the first call."""
        if not self._n:
            return None
        x, y = self._x / self._n, self._y / self._n
        spread = self._xx / self._n - x * x
        if spread <= 1e-9 * x * x:  # all calls had about as many rows: say they are proportional, which errs high
            return y / x, 0.0
        a = min(max((self._xy / self._n - x * y) / spread, 0.0), y / x)
        return a, y - a * x

    def predict(self, rows: int) -> float | None:
        """The seconds that `rows` rows will take; None before the first call."""
        line = self.line()
        return None if line is None else line[0] * rows + line[1]

    def rows_within(self, seconds: float, *, otherwise: int) -> int:
        """How many rows take about `seconds`, at least 1; `otherwise` before the first call."""
        line = self.line()
        if line is None:
            return otherwise
        a, b = line
        return max(1, int((seconds - b) / a)) if a > 0 else 1 << 30


def rows_in_time(costs: Iterable[Cost], riders: Sequence[tuple[int, float]], most: int) -> int:
    """How many rows, at most `most`, those who each have (rows, seconds left) may be together, so that nobody is late
    for the company. Who would be late alone, or with whatever size, does not count.
    """
    lines = [line for cost in costs if (line := cost.line()) is not None and line[0] > 0]
    if not lines or _fitting(lines, min(left for _, left in riders)) >= most:
        return most
    room = most
    for rows, left in riders:
        fits = _fitting([line for line in lines if line[1] < SHARE * left], left)
        if rows <= fits < room:
            room = fits
    return room


def _fitting(lines: Sequence[tuple[float, float]], seconds: float) -> int:
    """How many rows every line (a, b) has done in its share of `seconds`."""
    return min((int((SHARE * seconds - b) / a) for a, b in lines), default=1 << 30)

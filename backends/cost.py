"""What a call costs, learned from the calls before it: seconds = a * rows + b."""


class Cost:
    """A least-squares line through the durations of recent calls; older ones fade. No clock, no I/O.

    One slow call (a page fault, a stopped process) fades with the rest: `memory` is how many calls count. Calls that
    were not answered in time raise the whole line, until one is.
    """

    def __init__(self, *, memory: int = 50) -> None:
        self._keep = 1 - 1 / memory
        self._n = self._x = self._y = self._xx = self._xy = 0.0
        self._strain = 1.0  # how many times as long calls take at present

    def learn(self, rows: int, seconds: float) -> None:
        """A call with `rows` rows took `seconds`."""
        keep = self._keep
        self._n = self._n * keep + 1
        self._x = self._x * keep + rows
        self._y = self._y * keep + seconds
        self._xx = self._xx * keep + rows * rows
        self._xy = self._xy * keep + rows * seconds
        if self._strain > 1:
            self._relax(rows, seconds)

    def late(self, rows: int, seconds: float) -> None:
        """A call with `rows` rows was not answered within `seconds`, which is news only if it should have been."""
        expected = self.predict(rows)
        if expected and seconds > expected:
            self._strain *= seconds / expected

    def _relax(self, rows: int, seconds: float) -> None:
        a, b = self._line()
        usual = a * rows + b
        self._strain = min(self._strain, max(1.0, seconds / usual)) if usual > 0 else 1.0

    def line(self) -> tuple[float, float] | None:
        """(a, b), neither negative; None before the first call."""
        if not self._n:
            return None
        a, b = self._line()
        return a * self._strain, b * self._strain

    def _line(self) -> tuple[float, float]:
        x, y = self._x / self._n, self._y / self._n
        spread = self._xx / self._n - x * x
        if spread <= 1e-9 * x * x:  # all calls had about as many rows: say they are proportional, which errs high
            return y / x, 0.0
        a = min(max((self._xy / self._n - x * y) / spread, 0.0), y / x)
        return a, y - a * x

    def predict(self, rows: int) -> float | None:
        """The seconds that `rows` rows will take; None before the first call."""
        if not self._n:
            return None
        a, b = self._line()
        return (a * rows + b) * self._strain

    def rows_within(self, seconds: float, *, otherwise: int) -> int:
        """How many rows take about `seconds`, at least 1; `otherwise` before the first call."""
        line = self.line()
        if line is None:
            return otherwise
        a, b = line
        return max(1, int((seconds - b) / a)) if a > 0 else 1 << 30

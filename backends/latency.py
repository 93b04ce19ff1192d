"""How long a backend takes, of late, and whether a call that was given up had its share of time; no clock, no I/O."""

import math
from bisect import bisect_left

from backends.cost import Cost

GROWTH = 1.1  # from one bucket to the next: so exact is a quantile
SHORTEST = 1e-5  # seconds; what is shorter is in the first bucket
BUCKETS = 200  # up to half an hour
RESCALE = 1e9  # the weights grow, so that older ones need not be made smaller; before digits are lost, all are
DEFAULT_TIMEOUT = 1.0  # seconds, of a call whose caller and whose backend say nothing else
UNKNOWN_IS_FAIR = 0.9  # of that: before anything was answered nobody knows what is fair, but nearly all of it is
BEYOND = 2.0  # times the longest answer is fair where too few calls were answered to know the quantile
USUAL = 0.95
ROWS_KEPT = 0.02  # how much each call counts in what is known of their size, which is what most have
_BOUNDS = [SHORTEST * GROWTH**bucket for bucket in range(BUCKETS - 1)]  # of what is in each; the last has the rest


class Latency:
    """The distribution of the durations of the last calls, about `memory` of them; older ones fade.

    A call that was given up took *longer* than it was given: it is censored, and counts as Kaplan and Meier (1958) do
    it. Otherwise the quantiles of a backend whose callers are impatient would be those of its fast answers only.

    `timeout`: the seconds that no call is given more of, where that is known.
    """

    def __init__(self, *, memory: int = 1000, timeout: float | None = None) -> None:
        self._growth = 1 / (1 - 1 / memory)
        self._fair_at_first = UNKNOWN_IS_FAIR * (DEFAULT_TIMEOUT if timeout is None else min(timeout, DEFAULT_TIMEOUT))
        self._weight = 1.0
        self._done = [0.0] * BUCKETS
        self._given_up = [0.0] * BUCKETS
        self._cost = Cost()
        self._log_rows = 0.0
        self._seen = 0
        self._longest = 0.0
        self._known: dict[float, float | None] = {}
        self._stale_at = 0

    def add(self, rows: int, seconds: float) -> None:
        """A call was answered, or refused for what it asked, after `seconds`."""
        self._done[_bucket(seconds)] += self._weight
        self._cost.learn(rows, seconds)
        size = math.log2(rows) if rows > 1 else 0.0
        self._log_rows += (ROWS_KEPT if self._longest else 1.0) * (size - self._log_rows)
        self._longest = max(seconds, self._longest / self._growth)
        self._count()

    def give_up(self, seconds: float) -> None:
        """After `seconds` nobody waited for a call any longer."""
        self._given_up[_bucket(seconds)] += self._weight
        self._count()

    def _count(self) -> None:
        self._seen += 1
        self._weight *= self._growth
        if self._weight > RESCALE:
            self._done = [weight / self._weight for weight in self._done]
            self._given_up = [weight / self._weight for weight in self._given_up]
            self._weight = 1.0

    def quantile(self, level: float) -> float | None:
        """The seconds within which a share `level` of the calls is answered; None where that is not known.

        Computed anew when the calls are some three in a hundred more.
        """
        if self._seen >= self._stale_at:
            self._known.clear()
            self._stale_at = self._seen + 1 + min(self._seen, 1000) // 32
        if level not in self._known:
            self._known[level] = self._quantile(level)
        return self._known[level]

    def _quantile(self, level: float) -> float | None:
        left = sum(self._done) + sum(self._given_up)
        surviving = 1.0
        for bucket, (done, given_up) in enumerate(zip(self._done, self._given_up, strict=True)):
            if done:
                surviving *= max(0.0, 1 - done / left)
                if surviving <= 1 - level + 1e-9:
                    return SHORTEST * GROWTH**bucket
            left -= done + given_up
        return None

    def usual(self, rows: int) -> float | None:
        """The longest that a call with `rows` rows usually takes, in seconds; None before the first answer."""
        if not self._longest:
            return None
        return (self.quantile(USUAL) or BEYOND * self._longest) * max(1.0, self._against_most(rows))

    def typical(self, rows: int) -> float:
        """The seconds that every other call with `rows` rows takes at least; 0 if that is not known."""
        return (self.quantile(0.5) or 0.0) * min(1.0, self._against_most(rows))

    def _against_most(self, rows: int) -> float:
        """How many times as long as most calls one with `rows` rows takes: a ratio, which no straggler can spoil."""
        line = self._cost.line()
        if line is None or not (middle := line[0] * math.exp2(self._log_rows) + line[1]):
            return 1.0
        return (line[0] * rows + line[1]) / middle

    def fair(self, rows: int, seconds: float) -> bool:
        """Whether so many `seconds` are enough to blame the backend for having given no answer."""
        usual = self.usual(rows)
        return seconds >= (self._fair_at_first if usual is None else usual)

    def starved(self, rows: int, seconds: float) -> bool:
        """Whether so many `seconds` are known to be too few."""
        usual = self.usual(rows)
        return usual is not None and seconds < usual


def _bucket(seconds: float) -> int:
    return bisect_left(_BOUNDS, seconds)

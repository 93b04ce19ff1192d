"""What is counted about one backend; no clock, no I/O."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from backends.batching import Batching
from backends.histogram import ROWS, SECONDS, Histogram


class Statistics:
    """Counts by fate, calls under way and waiting, and the durations of calls that were answered.

    `durations` and `rows` are since the start; quantiles are of the last `window` answered calls. `asked` are the
    calls, `tries` what they came to at its addresses: fewer by those that the cache answered or that another call's
    answer served, more by retries and hedges. `batching`: where calls are asked together.
    """

    def __init__(self, *, window: int = 1000, errors: int = 8) -> None:
        self.in_flight = 0
        self.queued = 0
        self.asked = 0
        self.tries = 0
        self.resends = 0  # over connections that had been closed meanwhile; part of the same try
        self.retries = 0
        self.hedges = 0
        self.hedges_won = 0
        self.cache_hits = 0
        self.cache_misses = 0
        self.coalesced = 0
        self.drilled = 0
        self.fates: Counter[str] = Counter()
        self.durations = Histogram(SECONDS)
        self.rows = Histogram(ROWS)
        self.batching: Batching | None = None
        self.last_errors: deque[str] = deque(maxlen=errors)
        self._recent: deque[float] = deque(maxlen=window)

    def begin(self, rows: int = 1) -> None:
        self.asked += 1
        self.in_flight += 1
        self.rows.add(rows)

    def count_resend(self) -> None:
        """A request was sent again, over another connection."""
        self.resends += 1

    def end(self, fate: str, seconds: float | None = None) -> None:
        """Close a call; `seconds` only of calls that were answered, for others say nothing about the backend."""
        self.in_flight -= 1
        self.fates[fate] += 1
        if seconds is not None:
            self.durations.add(seconds)
            self._recent.append(seconds)

    def quantiles(self, levels: Sequence[float]) -> list[float] | None:
        """The durations at `levels`, in seconds, over the last calls; None before the first."""
        return quantiles_of(self._recent, levels)

    @property
    def waiting(self) -> int:
        """Calls that wait: in a line, or for the next batch."""
        return self.queued + (0 if self.batching is None else self.batching.waiting)

    @property
    def recent(self) -> tuple[float, ...]:
        """The durations of the last answered calls, in seconds."""
        return tuple(self._recent)


def quantiles_of(durations: Iterable[float], levels: Sequence[float]) -> list[float] | None:
    """The `durations` at `levels`; None where there are none."""
    ordered = sorted(durations)
    if not ordered:
        return None
    return [ordered[min(int(level * len(ordered)), len(ordered) - 1)] for level in levels]

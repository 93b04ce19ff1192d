"""What is counted about one backend; no clock, no I/O."""

from collections import Counter, deque
from collections.abc import Sequence


class Statistics:
    """Counts by fate, calls under way, and the durations of the last calls that were answered."""

    def __init__(self, *, window: int = 1000, errors: int = 8) -> None:
        self.in_flight = 0
        self.asked = 0
        self.fates: Counter[str] = Counter()
        self.last_errors: deque[str] = deque(maxlen=errors)
        self._durations: deque[float] = deque(maxlen=window)

    def begin(self) -> None:
        self.asked += 1
        self.in_flight += 1

    def end(self, fate: str, seconds: float | None = None) -> None:
        """Close a call; `seconds` only of calls that were answered, for others say nothing about the backend."""
        self.in_flight -= 1
        self.fates[fate] += 1
        if seconds is not None:
            self._durations.append(seconds)

    def quantiles(self, levels: Sequence[float]) -> list[float] | None:
        """The durations at `levels`, in seconds, over the last calls; None before the first."""
        ordered = sorted(self._durations)
        if not ordered:
            return None
        return [ordered[min(int(level * len(ordered)), len(ordered) - 1)] for level in levels]

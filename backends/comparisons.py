"""What is counted about a shadow: how its answers compare with those that left. No clock, no I/O."""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from models.types import Array, Report

Revote = Callable[[Report, Array], Array]
"""What an ensemble would have answered (n, k), from its report and what one more member says (n, k)."""

REMEMBERED = 20  # disagreements


@dataclass(frozen=True, slots=True)
class RowComparison:
    """Of one row: what left, what the shadow said, what would have left with it, and how far the first two are apart.

    A label, or a number; `difference` is from 0 to 1 between probabilities, relative between numbers.
    """

    answered: str | float
    said: str | float
    instead: str | float
    difference: float
    agrees: bool
    changes: bool


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row of a request, of which a shadow said something else."""

    request_id: str
    row: int
    comparison: RowComparison


class Comparisons:
    """Calls of one shadow by what became of them; its rows by whether they agreed, and would have changed the answer.

    `dropped` are those that were not asked about because too many were under way.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.dropped = 0
        self.under_way = 0
        self.fates: Counter[tuple[str, str]] = Counter()  # (fate, reason)
        self.rows = 0
        self.agreed = 0
        self.changed = 0
        self.difference = 0.0  # of all rows together
        self.disagreements: deque[Disagreement] = deque(maxlen=REMEMBERED)

    def begin(self) -> None:
        self.asked += 1
        self.under_way += 1

    def let_go(self) -> None:
        """A call is over, however it ended."""
        self.under_way -= 1

    def end(self, fate: str, reason: str) -> None:
        """A call was answered or failed; what was cancelled is neither."""
        self.fates[fate, reason] += 1

    def compare(self, request_id: str, rows: Iterable[RowComparison]) -> None:
        """The shadow answered a request with `rows`."""
        for at, row in enumerate(rows):
            self.rows += 1
            self.agreed += row.agrees
            self.changed += row.changes
            self.difference += row.difference
            if not row.agrees or row.changes:
                self.disagreements.append(Disagreement(request_id, at, row))

"""That calls to one backend are asked together: how, and what is counted and learned of it. No clock, no I/O."""

from backends.cost import Cost
from backends.histogram import ROWS, Histogram

MAX_WAITING = 1024


class Batching:
    """Batches have at most `max_rows` rows, and at most `max_waiting` calls wait for the next.

    `rows` in each batch since the start, in those of one call, too; `under_way`: batches that others wait for. `costs`:
    what batches take, by member; of one model there is only its own, without a name.
    """

    def __init__(self, *, max_rows: int, max_waiting: int = MAX_WAITING) -> None:
        if max_rows < 1 or max_waiting < 1:
            raise ValueError(f"max_rows and max_waiting must be positive, got {max_rows} and {max_waiting}")
        self.max_rows = max_rows
        self.max_waiting = max_waiting
        self.rows = Histogram(ROWS)
        self.under_way = 0
        self.waiting = 0
        self.costs: dict[str, Cost] = {}

    def cost(self, member: str = "") -> Cost:
        """That of `member`."""
        return self.costs.setdefault(member, Cost())

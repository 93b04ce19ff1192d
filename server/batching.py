"""Where calls are asked together: as it is configured, and what there is to see of it."""

from collections.abc import Mapping
from typing import Any

from backends.batching import Batching
from backends.cost import Cost
from server.means import mean
from server.values import BatchSettings


def batching_of(batch: bool | BatchSettings | None, *, safe: bool) -> Batching | None:
    """How calls are asked together, None if they are not; `safe`: whether they are unless said otherwise."""
    if not isinstance(batch, BatchSettings):
        if not (safe if batch is None else batch):
            return None
        batch = BatchSettings()
    return Batching(max_rows=batch.max_rows, max_waiting=batch.max_waiting)


def shown_batching(batching: Batching | None) -> Mapping[str, Any]:
    """What several fronts can put together; None where each call is asked by itself.

    `rows`: how many batches had at most so many, and more than the number before. `takes_ms`: what a batch is expected
    to take, for each row and beside them; of an ensemble, each member.
    """
    if batching is None:
        return {"batch": None}
    rows, count = batching.rows, sum(batching.rows.counts)
    bounds = [*(f"{bound:g}" for bound in rows.bounds), "more"]
    takes = {member: _taking(cost) for member, cost in batching.costs.items()}
    return {
        "batch": {
            "max_rows": mean(batching.max_rows, 1),
            "under_way": batching.under_way,
            "waiting": batching.waiting,
            "batches": count,
            "mean_rows": mean(rows.sum, count),
            "rows": {bound: one for bound, one in zip(bounds, rows.counts, strict=True) if one},
            "takes_ms": takes[""] if takes.keys() == {""} else takes,
        }
    }


def _taking(cost: Cost) -> Mapping[str, Any]:
    """The line that was learned, as each front has it."""
    line = cost.line()
    per_row, per_call = (0.0, 0.0) if line is None else line
    known = 0 if line is None else 1
    return {"per_row": mean(per_row * 1e3, known), "per_call": mean(per_call * 1e3, known)}

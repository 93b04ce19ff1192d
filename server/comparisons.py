"""How the candidates of a shadow compare with the answers that left: for people, and as figures."""

from collections.abc import Iterator, Mapping
from typing import Any

from backends.comparisons import Comparisons, Disagreement
from backends.measures import Measure
from server.means import mean


def state_of(comparisons: Comparisons) -> dict[str, Any]:
    """What is known of one candidate, to be added up with other fronts; disagreements by request id, never inputs."""
    rows = comparisons.rows
    return {
        "asked": comparisons.asked,
        "under_way": comparisons.under_way,
        "dropped": comparisons.dropped,
        "fates": {f"{fate}: {reason}" if reason else fate: n for (fate, reason), n in comparisons.fates.items()},
        "rows": rows,
        "agreed_rows": comparisons.agreed,
        "changed_rows": comparisons.changed,
        "agreement": mean(comparisons.agreed, rows),
        "would_change": mean(comparisons.changed, rows),
        "mean_difference": mean(comparisons.difference, rows),
        "last_disagreements": [_disagreement(one) for one in reversed(comparisons.disagreements)],
    }


def _disagreement(one: Disagreement) -> dict[str, Any]:
    row = one.comparison
    return {
        "request_id": one.request_id,
        "row": one.row,
        "answered": row.answered,
        "said": row.said,
        "with_it": row.instead,
        "difference": round(row.difference, 6),
    }


def measures_of(candidates: Mapping[str, Comparisons]) -> Iterator[Measure]:
    """Everything that is counted about them."""
    for name, one in candidates.items():
        own = {"candidate": name}
        for (fate, reason), count in one.fates.items():
            whose = own | {"fate": fate, "reason": reason}
            yield Measure("shadow_calls", "Calls of candidates that ended.", count, whose)
        yield Measure("shadow_dropped", "Calls not begun, for too many were under way.", one.dropped, own)
        yield Measure("shadow_in_flight", "Calls of candidates under way.", one.under_way, own, "gauge")
        yield Measure("shadow_rows", "Rows compared with the answer that left.", one.rows, own)
        yield Measure("shadow_agreed_rows", "Rows of which a candidate said the same.", one.agreed, own)
        yield Measure("shadow_changed_rows", "Rows whose answer it would have changed.", one.changed, own)
        about = "How far rows are from the answer, from 0 to 1, of numbers relative; over the rows, the mean."
        yield Measure("shadow_difference", about, one.difference, own)

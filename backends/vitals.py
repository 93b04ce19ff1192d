"""What the layers of one backend know of it together."""

from dataclasses import dataclass

from backends.bound import Bound
from backends.budget import RetryBudget
from backends.keep import Keep
from backends.latency import Latency
from backends.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Vitals:
    """Its room, what is counted, how long it takes, how many second tries it has, and the answers that are kept."""

    bound: Bound
    statistics: Statistics
    latency: Latency
    budget: RetryBudget
    keep: Keep | None = None


def fresh_vitals(
    limit: int, keep: Keep | None = None, counted: Statistics | None = None, *, timeout: float | None = None
) -> Vitals:
    """Those of a backend that nobody has asked yet, with at most `limit` calls under way.

    `counted`: of another that had its name, whose counts go on. `timeout`: the seconds that each call has at most.
    """
    return Vitals(Bound(limit), counted or Statistics(), Latency(timeout=timeout), RetryBudget(), keep)

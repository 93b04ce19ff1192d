"""What is asked of a run, and whether it was met. Pure."""

import msgspec

from server.bench.figures import percent
from server.bench.measured import Measured
from server.bench.summary import Summary


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """The p99 in milliseconds at most; the share of requests answered 200 at least, of answers degraded at most."""

    p99_ms: float | None = None
    share: float | None = None
    degraded: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("share", self.share), ("degraded", self.degraded)):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, got {value}")
        if self.p99_ms is not None and not self.p99_ms > 0:
            raise ValueError(f"p99_ms must be positive, got {self.p99_ms}")

    def __bool__(self) -> bool:
        return self != _NONE

    def missed(self, summary: Summary) -> list[str]:
        """Each part that was not met, in words."""
        words = []
        p99 = summary.latency_ms.get("p99")
        if self.p99_ms is not None and p99 is not None and p99 > self.p99_ms:
            words.append(f"p99 {p99:.4g} ms, over {self.p99_ms:g} ms")
        if self.share is not None and summary.share < self.share:
            words.append(f"{percent(summary.share)} answered, under {percent(self.share)}")
        if self.degraded is not None and summary.degraded_share > self.degraded:
            words.append(f"{percent(summary.degraded_share)} degraded, over {percent(self.degraded)}")
        return words if summary.answered or not self else [*words, "no answer"]

    def lost(self, measured: Measured, planned: int) -> bool:
        """Whether so few of `planned` requests can still be answered that the share will be missed."""
        if self.share is None:
            return False
        refused = measured.statuses.total() - measured.statuses[200]
        failed = measured.errors.total() - measured.errors["interrupted"]
        return refused + failed > (1 - self.share) * planned


_NONE = Objective()

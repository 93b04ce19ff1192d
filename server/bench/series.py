"""What happened in each second of a run. Pure: moments are seconds from its start, and never go back."""

from array import array

import msgspec
import numpy as np


class Second(msgspec.Struct, frozen=True):
    """One second: requests that were meant to leave, and what came back; latencies are those of the answers."""

    second: int
    offered: int
    answered: int
    refused: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


class Series:
    """The seconds so far; the last one is over only when an event of a later one comes, or the run ends."""

    def __init__(self) -> None:
        self.seconds: list[Second] = []
        self._end = 1.0
        self._clear()

    def offered(self, at: float) -> None:
        """A request was meant to leave."""
        self._reach(at)
        self._offered += 1

    def answered(self, at: float, latency: float) -> None:
        """A 200 came, `latency` seconds after its request was meant to leave."""
        self._reach(at)
        self._latencies.append(latency)

    def refused(self, at: float) -> None:
        """Another status came."""
        self._reach(at)
        self._refused += 1

    def failed(self, at: float) -> None:
        """No answer came."""
        self._reach(at)
        self._failed += 1

    def finish(self) -> None:
        """The run is over, in the middle of a second or not."""
        if self._offered or self._latencies or self._refused or self._failed:
            self._close()

    def _reach(self, at: float) -> None:
        while at >= self._end:
            self._close()

    def _close(self) -> None:
        p50, p99 = _quantiles_ms(self._latencies)
        answered = len(self._latencies)
        second = Second(len(self.seconds), self._offered, answered, self._refused, self._failed, p50, p99)
        self.seconds.append(second)
        self._end += 1.0
        self._clear()

    def _clear(self) -> None:
        self._latencies = array("d")
        self._offered = self._refused = self._failed = 0


def _quantiles_ms(latencies: "array[float]") -> tuple[float | None, float | None]:
    """By the nearest rank."""
    if not latencies:
        return None, None
    ranks = [max(0, -(-share * len(latencies) // 100) - 1) for share in (50, 99)]
    found = np.partition(np.frombuffer(latencies), ranks)[ranks] * 1e3
    return round(float(found[0]), 3), round(float(found[1]), 3)

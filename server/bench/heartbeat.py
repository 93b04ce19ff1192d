"""How late the generator's own event loop is: what its answers waited to be read is no fault of the server."""

from time import perf_counter

from server.bench.alarm import alarm
from server.bench.latencies import Latencies

EVERY_S = 0.02


class Heartbeat:
    """Records into `lag`, fifty times a second, how much later than meant it was called."""

    def __init__(self, lag: Latencies) -> None:
        self._lag = lag
        self._alarm = alarm(self._beat)
        self._due = perf_counter() + EVERY_S
        self._alarm.set(self._due)

    def close(self) -> None:
        self._alarm.close()

    def _beat(self) -> None:
        now = perf_counter()
        while self._due <= now:  # those that were missed in a stall count, too
            self._lag.record(now - self._due)
            self._due += EVERY_S
        self._alarm.set(self._due)

"""What was measured of one run, so far. Pure: all moments are given, and are those of one clock."""

from collections import Counter

from server.bench.answers import Reader, read_nothing, read_problem
from server.bench.errors import Kind
from server.bench.latencies import Latencies
from server.bench.members import Members
from server.bench.series import Series


class Measured:
    """Counts each request once: answered (a 200 that could be read), refused (another status), failed or interrupted.

    `latency` and `refusal` count from the intended times; `lag` is how late the generator itself was.
    """

    def __init__(self, read: Reader = read_nothing) -> None:
        self._read = read
        self.began = self.ended = 0.0
        self.cpu = 0.0  # seconds, of this process
        self.offered = self.degraded = 0
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[Kind] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.latency, self.refusal, self.lag = Latencies(), Latencies(), Latencies()
        self.members, self.series = Members(), Series()

    @property
    def seconds(self) -> float:
        """From the beginning to the last end of a request."""
        return self.ended - self.began

    def departed(self, now: float) -> None:
        """A request leaves."""
        self.offered += 1
        self.series.offered(now - self.began)

    def answered(self, intended: float, now: float, status: int, body: bytes) -> None:
        """A whole answer came."""
        if status != 200:
            self._refused(intended, now, status, body)
            return
        try:
            said = self._read(body)
        except (ValueError, RecursionError):
            self.failed(intended, now, "malformed")
            return
        self.ended = now
        self.statuses[200] += 1
        self.latency.record(now - intended)
        self.series.answered(now - self.began, now - intended)
        if said.outcome.status:
            self.outcomes[said.outcome.status] += 1
            self.degraded += said.outcome.degraded
            self.members.record(said.members)

    def failed(self, intended: float, now: float, kind: Kind) -> None:
        """No answer came, or none that could be read."""
        self.ended = now
        self.errors[kind] += 1
        if kind != "interrupted":
            self.series.failed(now - self.began)

    def _refused(self, intended: float, now: float, status: int, body: bytes) -> None:
        self.ended = now
        self.statuses[status] += 1
        self.refusal.record(now - intended)
        self.series.refused(now - self.began)
        self.members.record(read_problem(body).members)

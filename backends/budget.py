"""How many second tries a backend gets, so that they cannot make an outage worse; no clock, no I/O: `now` in seconds.

Retries and hedges share it. After the retry budgets of Finagle and gRPC's retry throttling: an answer earns a part of a
try, a failure costs one whether it is tried again or not, and what nobody used does not add up.
"""

EARNED = 0.1  # of a second try, by each answer
PER_SECOND = 1.0  # so that a backend with few callers has some, too
MOST = 10.0  # at any time
AT_ONCE = 3  # second tries under way
HEDGED = 0.02  # of a hedge, by each call
CALM_SECONDS = 1.0  # without a refusal, before there are second tries again


class RetryBudget:
    """Second tries: those there are, and those under way. `rest` ends them for good, as when the server drains."""

    def __init__(self) -> None:
        self.under_way = 0
        self._tries = MOST
        self._hedges = 0.0
        self._at = 0.0
        self._calm_at = -1.0
        self._resting = False

    def earn(self) -> None:
        """A call was answered."""
        self._tries = min(MOST, self._tries + EARNED)

    def pay(self, now: float) -> bool:
        """A call failed; whether there was a second try for it."""
        return self._take(now)

    def earn_hedge(self) -> None:
        """A call began that may be hedged."""
        self._hedges = min(MOST, self._hedges + HEDGED)

    def pay_hedge(self, now: float) -> bool:
        """Take a hedge, if there is one; it is a second try, too."""
        if self._hedges < 1 or not self.is_open(now) or not self._take(now):
            return False
        self._hedges -= 1
        return True

    def _take(self, now: float) -> bool:
        self._tries = min(MOST, self._tries + PER_SECOND * max(0.0, now - self._at))
        self._at = now
        if self._tries < 1:
            return False
        self._tries -= 1
        return True

    def refuse(self, now: float) -> None:
        """A call was refused here for want of room: second tries would take more of it."""
        self._calm_at = now + CALM_SECONDS

    def rest(self) -> None:
        """No second tries any more."""
        self._resting = True

    def is_open(self, now: float) -> bool:
        """Whether a second try may begin, if it is paid for."""
        return self.under_way < AT_ONCE and now >= self._calm_at and not self._resting

"""Whether an address may be asked, from what became of the calls to it; no clock, no I/O: `now` is in seconds."""

import math
import random
from collections.abc import Callable
from typing import Literal

FAILURES = 5  # in a row, and it opens
WINDOW = 10  # seconds
ENOUGH = 20  # calls in the window; of fewer a share says nothing
SUCCESSES = 0.8  # a smaller share of them, and it opens,
BEYOND_CHANCE = 2.33  # if by so many standard deviations: of few calls a share is smaller by chance, once in a hundred
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds that it stays open; doubled with each probe that fails
RECENT = 1.0  # seconds
JITTER = 0.5  # up to so much of the wait is added, so that not all who wait come back at once

Phase = Literal["closed", "open", "half-open"]


class Window:
    """Successes and failures of the last `WINDOW` seconds, counted by the second."""

    def __init__(self) -> None:
        self._good = [0] * WINDOW
        self._bad = [0] * WINDOW
        self._second = 0

    def count(self, *, good: bool, now: float) -> None:
        """One more."""
        second = int(now)
        if second != self._second:
            for passed in range(max(self._second + 1, second - WINDOW + 1), second + 1):
                self._good[passed % WINDOW] = self._bad[passed % WINDOW] = 0
            self._second = second
        (self._good if good else self._bad)[second % WINDOW] += 1

    def is_bad(self) -> bool:
        """Whether enough of enough calls have failed: more than chance would have it where the share is just right."""
        good, calls = sum(self._good), sum(self._good) + sum(self._bad)
        chance = BEYOND_CHANCE * math.sqrt(calls * SUCCESSES * (1 - SUCCESSES))
        return calls >= ENOUGH and good < SUCCESSES * calls - chance


class Circuit:
    """Closed: it may be asked. Open: it may not, for a while; then half open: one call may, as a probe.

    What a call says counts only if it began after the last change: those that were under way when it opened are no
    news. Whoever is asked all the same while it is open, because it cannot be done without, closes it by an answer.

    `in_a_row` is how many have failed that were asked after the newest of those that succeeded: where calls overlap,
    those that are late come last, one after the other, however many others there were. `opens`, `probes` and `panics`
    count; a panic is that it should have opened and did not, or was asked while open. `name` is that of the address.
    """

    def __init__(self, name: str = "", *, chance: Callable[[], float] = random.random) -> None:
        self.name = name
        self.closed = True
        self.opens = 0
        self.panics = 0
        self.probes = 0
        self._chance = chance
        self._probe: int | None = None
        self._answered_at = self._newest = float("-inf")  # when an answer came last; when the newest of these was asked
        self.reset(0.0)

    def phase(self, now: float) -> Phase:
        """Its state at `now`."""
        if self.closed:
            return "closed"
        return "half-open" if now >= self._until else "open"

    def is_due(self, now: float) -> bool:
        """Whether a probe may begin."""
        return not self.closed and self._probe is None and now >= self._until

    def wait(self, now: float) -> float:
        """Seconds until the next probe may begin."""
        return max(0.0, self._until - now)

    def begin_probe(self, now: float) -> int | None:
        """The number of the probe that the caller is, to be ended whatever comes of it; None if it is none."""
        if not self.is_due(now):
            return None
        self.probes += 1
        self._probe = self.probes
        return self._probe

    def end_probe(self, number: int) -> None:
        """The probe is over. If it said nothing, as when it was cancelled, the next call is one."""
        if self._probe == number:
            self._probe = None

    def reset(self, now: float) -> None:
        """Forget all of it: there is another process, or another version."""
        self.closed = True
        self._changed = now
        self._until = now
        self._wait = FIRST_WAIT
        self.in_a_row = 0
        self._failed_at = now
        self._probe = None
        self._window = Window()

    def failures(self, now: float) -> int:
        """How many calls have failed in a row; none if that was a while ago."""
        return self.in_a_row if now < self._failed_at + RECENT else 0

    def is_in_line(self, began: float) -> bool:
        """Whether it is still the turn of those asked before one that began at `began`, of which some were answered."""
        return self._newest < began < self._answered_at

    def succeed(self, began: float, now: float) -> bool:
        """A call that began at `began` was answered; whether that has closed it."""
        self._answered_at, self._newest = now, max(self._newest, began)
        if began < self._changed:
            return False
        closes = not self.closed
        if closes:
            self.reset(now)
        self.in_a_row = 0
        self._window.count(good=True, now=now)
        return closes

    def fail(self, began: float, now: float, *, spare: Callable[[], bool]) -> bool:
        """A call that began at `began` failed; whether that has opened it.

        It opens only if it is `spare`: if whoever holds it can do without.
        """
        if began < self._changed:
            return False
        self.in_a_row += began >= self._newest
        self._failed_at = now
        if not self.closed:
            if now >= self._until:
                self._open(now, min(2 * self._wait, LONGEST_WAIT))
            return False
        self._window.count(good=False, now=now)
        if self.in_a_row < FAILURES and not self._window.is_bad():
            return False
        if not spare():
            self.panics += 1
            return False
        self._open(now, FIRST_WAIT)
        return True

    def _open(self, now: float, wait: float) -> None:
        self.closed = False
        self.opens += 1
        self._changed = now
        self._wait = wait
        self._until = now + min(wait * (1 + JITTER * self._chance()), LONGEST_WAIT)

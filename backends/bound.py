"""How many calls a backend may have under way, and whether the next one's turn would come in time; no clock, no I/O.

The bound is halved when the backend says that it has too much to do, and grows again by one with each round of answers:
additive increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989).
"""

KEEP = 0.9  # of what is known of the duration of calls, with each call


class Bound:
    """At most `most` calls under way, and fewer after a refusal. `now` and durations in seconds."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.under_way = 0
        self.halvings = 0
        self._room = float(most)
        self._halved_at = 0.0
        self._held: float | None = None

    @property
    def room(self) -> int:
        """How many calls may be under way now."""
        return int(self._room)

    @property
    def use(self) -> float:
        """The share of the room that is taken; over 1 after a refusal."""
        return self.under_way / self._room

    def wait(self, ahead: int) -> float:
        """How long a call waits for a place, as far as one knows, with `ahead` others before it."""
        return (ahead + 1) * (self._held or 0.0) / self.room

    def leave(self, held: float) -> None:
        """A call has held a place for so many seconds, whatever became of it."""
        self._held = held if self._held is None else KEEP * self._held + (1 - KEEP) * held

    def succeed(self) -> None:
        """A call was answered."""
        if self._room < self.most:
            self._room = min(self.most, self._room + 1 / self._room)

    def refuse(self, began: float, now: float) -> None:
        """The backend had no room for a call that began at `began`: no news if that was before the last halving."""
        if began < self._halved_at:
            return
        self._room = max(1.0, self._room / 2)
        self._halved_at = now
        self.halvings += 1

"""One timer for all who wait: most of them are answered long before their deadline."""

import asyncio
from typing import Protocol

from models.deadline import Deadline

NEVER = Deadline(float("inf"))


class Waiting(Protocol):
    """Someone who waits until `deadline` at the latest, and is then told that it has come."""

    @property
    def deadline(self) -> Deadline: ...

    def expire(self) -> None: ...


class Alarm:
    """Tell those who wait, each at its own deadline.

    The timer is set for the first deadline of any who waited when it was set; mostly nobody who comes later is in more
    of a hurry. Whoever is done is `off`, and may have been told. The timer stays, for the next one mostly comes soon.
    """

    def __init__(self) -> None:
        self._waiting: dict[Waiting, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._at = NEVER

    def on(self, one: Waiting) -> None:
        """Tell `one` when its deadline has come."""
        self._waiting[one] = None
        if one.deadline < self._at:
            self._set(one.deadline)

    def off(self, one: Waiting) -> None:
        """It need not be told any more."""
        self._waiting.pop(one, None)

    def _set(self, at: Deadline) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = None if at == NEVER else asyncio.get_running_loop().call_at(at, self._ring)

    def _ring(self) -> None:
        now = max(self._at, asyncio.get_running_loop().time())  # uvloop may be early by half a millisecond
        for one in [one for one in self._waiting if one.deadline <= now]:
            if one in self._waiting:  # else whoever was told before has sent it away
                del self._waiting[one]
                one.expire()
        self._set(min((one.deadline for one in self._waiting), default=NEVER))

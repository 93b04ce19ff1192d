"""What has been taken out of the vote, in all fronts alike; no clock, no I/O.

The supervisor keeps it, so that it outlives every front. A front that is asked to switch tells the supervisor, which
tells all; its `turn` counts the changes, so that one front can ask another how far it is.
"""

from typing import Any

from msgspec import Struct


class Switch(Struct, frozen=True):
    """A front asks that `switch` be in the vote of all fronts, or not; `asked` is what it calls this question."""

    switch: str
    enabled: bool
    asked: str


class Switchboard:
    """The supervisor's side."""

    def __init__(self) -> None:
        self._disabled: dict[str, None] = {}  # in order
        self._turn = 0

    def turn(self, switch: Switch) -> dict[str, Any]:
        """Take a backend out of the vote, or back; what all fronts are to be told."""
        self._turn += 1
        if switch.enabled:
            self._disabled.pop(switch.switch, None)
        else:
            self._disabled[switch.switch] = None
        return self.message(switch.asked)

    def message(self, asked: str = "") -> dict[str, Any]:
        """All that a front must know; `asked` names the question that this is the answer to."""
        return {"disabled": list(self._disabled), "turn": self._turn, "asked": asked}

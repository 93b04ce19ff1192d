"""What has been taken out of the vote, in all fronts alike; no clock, no I/O.

The supervisor keeps it, so that it outlives every front. A front that is asked to switch tells the supervisor, which
tells all; its `turn` counts the changes, so that one front can ask another how far it is.
"""

from typing import Any


class Switchboard:
    """The supervisor's side."""

    def __init__(self) -> None:
        self._disabled: dict[str, None] = {}  # in order
        self._turn = 0

    def switch(self, name: str, *, enabled: bool) -> None:
        """Take `name` out of the vote, or back."""
        self._turn += 1
        if enabled:
            self._disabled.pop(name, None)
        else:
            self._disabled[name] = None

    def message(self, asked: str = "") -> dict[str, Any]:
        """All that a front must know; `asked` names the question that this is the answer to."""
        return {"disabled": list(self._disabled), "turn": self._turn, "asked": asked}

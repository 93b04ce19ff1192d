"""What an operator has switched, in all fronts alike: who is out of the vote, and which drills are on.

The supervisor keeps it, so that it outlives every front. A front that is asked to switch gives the supervisor an order,
who tells all; its `turn` counts the changes, so that one front can ask another how far it is. No clock, no I/O: when a
drill is over each front knows by itself.
"""

from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from backends.drill import Drill


class Held(Struct, frozen=True):
    """`drill` is held at the backend `name`, `until` so many seconds of CLOCK_MONOTONIC, which all processes share."""

    name: str
    drill: Drill
    until: float


class Switch(Struct, frozen=True, tag="switch"):
    """A front asks that `name` be in the vote of all fronts, or not; `asked` is what it calls this question."""

    name: str
    enabled: bool
    asked: str = ""


class Begin(Struct, frozen=True, tag="begin"):
    """A front asks that a drill be held in all fronts, in the place of any other at that backend."""

    held: Held
    asked: str = ""


class End(Struct, frozen=True, tag="end"):
    """A front asks that the drill at the backend `name` end, or all if it is None."""

    name: str | None
    asked: str = ""


Order: TypeAlias = Switch | Begin | End


class Word(Struct, frozen=True):
    """All that a front must know; `asked` names the question that this is the answer to."""

    disabled: list[str]
    drills: list[Held]
    turn: int
    asked: str = ""


class Switchboard:
    """The supervisor's side."""

    def __init__(self) -> None:
        self._disabled: dict[str, None] = {}  # in order
        self._drills: dict[str, Held] = {}  # by name, and some that are over
        self._turn = 0

    def turn(self, order: Order) -> dict[str, Any]:
        """Do what is asked; what all fronts are to be told."""
        self._turn += 1
        match order:
            case Switch(name, enabled=True):
                self._disabled.pop(name, None)
            case Switch(name):
                self._disabled[name] = None
            case Begin(held):
                self._drills[held.name] = held
            case End(None):
                self._drills.clear()
            case End(str() as name):
                self._drills.pop(name, None)
        return self.message(order.asked)

    def message(self, asked: str = "") -> dict[str, Any]:
        """The `Word` of the moment, as it travels."""
        word = Word(list(self._disabled), list(self._drills.values()), self._turn, asked)
        said: dict[str, Any] = msgspec.to_builtins(word)
        return said

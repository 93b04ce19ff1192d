"""What stands behind a name: handlers read it here, never from a backend, which stays a plain callable."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from backends.base import Backend
from backends.outcomes import Outcomes
from backends.statistics import Statistics
from models.deadline import Deadline
from models.types import Signature

Phase = Literal["starting", "ready", "away", "unverified", "misfit"]


@dataclass(slots=True)
class State:
    """Whether a backend can be asked now; the only part of a `Served` that changes."""

    enabled: bool = True
    phase: Phase = "ready"
    pid: int | None = None  # of its worker, where it has one
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """A backend under its name. `timeout` is its own, in seconds, where a request names none."""

    name: str
    backend: Backend
    signature: Signature
    version: str
    timeout: float
    runtime: str = ""
    members: tuple[str, ...] = ()  # of an ensemble
    quorum: int = 1  # how many of them an answer needs, unless the request says otherwise
    answerable: "Callable[[Callable[[Served], bool]], bool] | None" = None  # of an ensemble: if just these were ready
    batched: bool = False  # whether its rows may be asked together with those of other requests
    alone: Backend | None = None  # the bare model, past all that keeps count; it laps a request's stopwatch
    examples: tuple[tuple[object, ...], ...] = ()  # rows to try it with, in the order of the features
    state: State = field(default_factory=State)
    statistics: Statistics = field(default_factory=Statistics)
    outcomes: Outcomes | None = None  # of an ensemble

    @property
    def example(self) -> tuple[object, ...] | None:
        """One of them."""
        return self.examples[0] if self.examples else None

    def deadline(self, received: float, timeout: float | None, longest: float) -> Deadline:
        """The deadline of a request whose headers were read at `received`, on the loop's clock."""
        return Deadline(received + min(timeout or self.timeout, longest))

"""What stands behind a name: handlers read it here, never from a backend, which stays a plain callable."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from backends.base import Backend
from backends.comparisons import Revote
from backends.drill import Drill
from backends.measures import Measure
from backends.outcomes import Recorder
from backends.statistics import Statistics
from models.deadline import Deadline
from models.errors import InvalidRequest
from models.types import Parameters, Signature

if TYPE_CHECKING:
    from backends.replica import Replica
    from backends.vitals import Vitals

Phase = Literal["starting", "ready", "away", "unverified", "misfit"]


@dataclass(slots=True)
class State:
    """Whether a backend can be asked now, and what is drilled; the only part of a `Served` that changes."""

    enabled: bool = True
    drill: Drill | None = None
    phase: Phase = "ready"
    pid: int | None = None  # of its worker, where it has one
    restarts: int = 0


Answerable: TypeAlias = "Callable[[Callable[[Served], bool]], bool]"
"""Whether a composite could answer if just those of its parts could that the argument says so of."""
ASK_NOTHING: frozenset[str] = frozenset()


def nothing() -> Mapping[str, Any]:
    """Of a backend that has nothing more to show."""
    return MappingProxyType({})


def no_measures() -> Iterable[Measure]:
    """Of a backend that counts nothing of its own."""
    return ()


@dataclass(frozen=True, slots=True)
class Served:
    """A backend under its name. `timeout` is its own, in seconds, where a request names none.

    What a composite is made of are its `parts`. `takes`: which of the parameters `quorum`, `early` and `members` a
    request may give; `extra`: the names of further ones, by which some part of it decides. `about`: what its kind shows
    of it. `lacking`: the word for its state while its parts cannot answer.
    """

    name: str
    backend: Backend
    signature: Signature
    version: str
    timeout: float
    runtime: str = ""
    kind: str = "model"
    parts: tuple[str, ...] = ()
    takes: frozenset[str] = ASK_NOTHING
    extra: frozenset[str] = ASK_NOTHING
    answerable: "Answerable | None" = None
    about: Callable[[], Mapping[str, Any]] = nothing
    measures: Callable[[], Iterable[Measure]] = no_measures
    lacking: str = ""
    batched: bool = False  # whether its rows may be asked together with those of other requests
    prompt: bool = False  # whether it mostly answers without waiting for anything
    retries: bool = False  # whether something in it tries again where its caller needs the answer
    alone: Backend | None = None  # the bare model, past all that keeps count; it laps a request's stopwatch
    examples: tuple[tuple[object, ...], ...] = ()  # rows to try it with, in the order of the features
    state: State = field(default_factory=State)
    statistics: Statistics = field(default_factory=Statistics)
    outcomes: Recorder | None = None  # of a composite
    revote: "Callable[[float], Revote] | None" = None  # of an ensemble: what it would say with one more, of that weight
    details: Callable[[], Mapping[str, Any]] = nothing  # of a composite, shown under /debug alone
    vitals: "Vitals | None" = None  # of a model
    replicas: "tuple[Replica, ...]" = ()  # where a model answers, if not in this process

    @property
    def example(self) -> tuple[object, ...] | None:
        """One of them."""
        return self.examples[0] if self.examples else None

    @property
    def is_there(self) -> bool:
        """Whether it can be asked now, and is not left alone by its breakers."""
        if not self.state.enabled:
            return False
        if self.answerable is not None:
            return self.answerable(lambda part: part.is_there)
        if self.replicas:
            return any(one.there for one in self.replicas)
        return self.state.phase == "ready"

    @property
    def is_on_trial(self) -> bool:
        """Whether its breakers leave it alone: a call to it is refused, or shows whether it answers again."""
        if not self.state.enabled:
            return False
        if self.answerable is not None:
            return not self.is_there and self.answerable(lambda part: part.is_there or part.is_on_trial)
        running = [one.circuit.closed for one in self.replicas if one.state.phase == "ready"]
        return bool(running) and not any(running)

    def deadline(self, received: float, timeout: float | None, longest: float) -> Deadline:
        """The deadline of a request whose headers were read at `received`, on the loop's clock."""
        return Deadline(received + min(timeout or self.timeout, longest))

    def check(self, parameters: Parameters) -> None:
        """Refuse what nobody here could act on.

        Raises:
            InvalidRequest: with the parameter.
        """
        for name in ("members", "quorum", "early"):
            if getattr(parameters, name) is not None and name not in self.takes:
                what = "there is no ensemble in it" if self.parts else "it is one model"
                raise InvalidRequest(f"{self.name!r} takes no {name}: {what}", f"$.parameters.{name}")

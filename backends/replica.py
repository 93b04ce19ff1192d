"""One of the places where the same model answers: an address, or a worker."""

from dataclasses import dataclass, field

from backends.base import Backend
from backends.circuit import Circuit
from backends.served import State


@dataclass(slots=True, eq=False)
class Replica:
    """`backend` at the place `name`; `state` and `circuit` say whether it may be asked, `in_flight` how busy it is."""

    name: str
    backend: Backend
    state: State = field(default_factory=State)
    circuit: Circuit = field(default_factory=Circuit)
    in_flight: int = 0

    @property
    def there(self) -> bool:
        """Whether it can be asked like any other."""
        return self.state.phase == "ready" and self.circuit.closed

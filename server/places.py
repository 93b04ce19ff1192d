"""Where a backend answers, as one front sees it, such that what several fronts see can be put together."""

from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import asdict

from backends.circuit import Phase as Breaker
from backends.replica import Replica

STATES = ("misfit", "unverified", "away", "starting", "ready")
BREAKERS: tuple[Breaker, ...] = ("open", "half-open", "closed")
"""Where fronts differ, the first of these is said."""


class Place(Struct, frozen=True, kw_only=True):
    """One worker or address: `opens`, `probes` and `panics` are those of its breaker."""

    state: str
    pid: int | None
    in_flight: int
    breaker: str
    opens: int
    probes: int
    panics: int


def places_of(replicas: Iterable[Replica], now: float) -> dict[str, Place]:
    """What a front knows at `now`, on the clock of its breakers."""
    return {
        one.name: Place(
            state=one.state.phase,
            pid=one.state.pid,
            in_flight=one.in_flight,
            breaker=one.circuit.phase(now),
            opens=one.circuit.opens,
            probes=one.circuit.probes,
            panics=one.circuit.panics,
        )
        for one in replicas
    }


def places_together(one: Mapping[str, Place], other: Mapping[str, Place]) -> dict[str, Place]:
    """What two fronts know, who have the same places but for a moment."""
    both = {name: _together(place, other[name]) for name, place in one.items() if name in other}
    return {**other, **one, **both}


def _together(one: Place, other: Place) -> Place:
    return Place(
        state=min(one.state, other.state, key=STATES.index),
        pid=one.pid or other.pid,
        in_flight=one.in_flight + other.in_flight,
        breaker=min(one.breaker, other.breaker, key=BREAKERS.index),
        opens=one.opens + other.opens,
        probes=one.probes + other.probes,
        panics=one.panics + other.panics,
    )


def breaker_of(places: Iterable[Place]) -> str:
    """In a word, what may be asked: `closed` if any place is as usual, else the best that there is."""
    return max((place.breaker for place in places), key=BREAKERS.index)


def shown_places(places: Mapping[str, Place]) -> dict[str, dict[str, object]]:
    """For people: a place has a process of its own, or it is an address."""
    return {
        name: {key: value for key, value in asdict(one).items() if value is not None} for name, one in places.items()
    }

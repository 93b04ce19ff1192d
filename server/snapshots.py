"""What one front knows of a backend, immutable, such that what several fronts know can be put together.

Quantiles cannot be added up, so each front hands out the durations of its last answered calls themselves.
"""

import time
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from backends.served import Served, State
from backends.vitals import Vitals
from server.batching import shown_batching
from server.composition import Composition
from server.places import Place, places_of, places_together

STATES = ("misfit", "unverified", "away", "no quorum", "starting", "ready", "disabled")
"""Where fronts differ, the first of these is the server's."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """One backend as one front sees it, or as several do together; `recent` durations are float32, in bytes.

    `about`: what its kind shows of it, the same on all. `more` is for what only some backends have: numbers that add
    up, means that do (see `server.means`), lists that follow each other, and words.
    """

    name: str
    kind: str
    state: str
    version: str
    runtime: str
    in_flight: int
    queued: int
    asked: int
    fates: dict[str, int]
    recent: bytes
    last_errors: tuple[str, ...]
    parts: tuple[str, ...] = ()
    about: dict[str, Any] = {}
    pid: int | None = None
    restarts: int = 0
    places: dict[str, Place] = {}
    more: dict[str, Any] = {}

    @property
    def durations(self) -> list[float]:
        """Of the last answered calls, in seconds."""
        return array("f", self.recent).tolist()


def taken(composition: Composition, served: Served) -> Snapshot:
    """What this front knows now."""
    state, statistics = served.state, served.statistics
    return Snapshot(
        name=served.name,
        kind=served.kind,
        state=state_of(composition, served),
        version=served.version,
        runtime=served.runtime,
        in_flight=statistics.in_flight,
        queued=statistics.waiting,
        asked=statistics.asked,
        fates=dict(statistics.fates),
        recent=array("f", statistics.recent).tobytes(),
        last_errors=tuple(statistics.last_errors),
        parts=served.parts,
        about=dict(served.about()),
        more={**_drill(state), **served.details(), **_more(served.vitals), **shown_batching(statistics.batching)},
        pid=state.pid,
        restarts=state.restarts,
        places=places_of(served.replicas, time.perf_counter()),
    )


def _drill(state: State) -> dict[str, Any]:
    """What is played on it."""
    return {} if state.drill is None else {"drill": state.drill.words}


def _more(vitals: Vitals | None) -> dict[str, Any]:
    """What the layers of a model have counted."""
    if vitals is None:
        return {}
    statistics, keep = vitals.statistics, vitals.keep
    counted: dict[str, Any] = {
        "room": vitals.bound.room,
        "tries": statistics.tries,
        "retries": statistics.retries,
        "resends": statistics.resends,
        "hedges": statistics.hedges,
        "hedges_won": statistics.hedges_won,
        "coalesced": statistics.coalesced,
        "drilled": statistics.drilled,
    }
    if keep is not None:
        hits, misses = statistics.cache_hits, statistics.cache_misses
        counted["cache"] = {"hits": hits, "misses": misses, "entries": len(keep), "bytes": keep.size}
    return counted


def merged(fronts: Iterable[Iterable[Snapshot]]) -> list[Snapshot]:
    """What several fronts know together: a snapshot for each name, in the order of the first that has it."""
    together: dict[str, Snapshot] = {}
    for front in fronts:
        for one in front:
            together[one.name] = added(together[one.name], one) if one.name in together else one
    return list(together.values())


def added(one: Snapshot, other: Snapshot) -> Snapshot:
    """One backend as two fronts see it; what must be the same in both is as `one` has it."""
    return replace(
        one,
        state=min(one.state, other.state, key=_rank),
        in_flight=one.in_flight + other.in_flight,
        queued=one.queued + other.queued,
        asked=one.asked + other.asked,
        fates=added_up(one.fates, other.fates),
        recent=one.recent + other.recent,
        last_errors=one.last_errors + other.last_errors,
        places=places_together(one.places, other.places),
        more=added_up(one.more, other.more),
    )


def added_up(one: Any, other: Any) -> Any:
    """Numbers are added, tables by their keys, lists are joined; words that differ are both there."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = dict.fromkeys((*one, *other))
        return {
            key: added_up(one[key], other[key]) if key in one and key in other else {**one, **other}[key]
            for key in keys
        }
    if one is None or other is None or (one == other and isinstance(one, str | bool)):
        return other if one is None else one
    if isinstance(one, str | bool):
        return f"{one}, {other}"
    return one + other


def _rank(state: str) -> int:
    return STATES.index(state) if state in STATES else 0


def state_of(composition: Composition, served: Served) -> str:
    """In one word, whether it can be asked now."""
    if not served.state.enabled:
        return "disabled"
    if served.parts:
        return "ready" if composition.ready(served) else served.lacking
    return served.state.phase

"""What is served: names, and what stands behind them. Immutable; a request takes it once and keeps it."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from aggregator.brown_out import BrownOut
from backends.served import Served
from models.errors import UnknownName


class Uses:
    """How many requests are under way with a composition."""

    __slots__ = ("_ended", "count")

    def __init__(self) -> None:
        self.count = 0
        self._ended: asyncio.Event | None = None

    def end(self) -> None:
        """One has ended."""
        self.count -= 1
        if self._ended is not None and not self.count:
            self._ended.set()

    async def ended(self) -> None:
        """Wait for the last, once no more begin."""
        self._ended = asyncio.Event()
        if self.count:
            await self._ended.wait()


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything that has a name; `default` is what `POST /predict` asks. `drills`: whether any may be held here.

    `brown_out`: that of all its ensembles. `uses`: the requests that have taken it.
    """

    served: Mapping[str, Served]
    default: str
    drills: bool = False
    brown_out: BrownOut = field(default_factory=BrownOut)
    uses: Uses = field(default_factory=Uses, compare=False)

    def find(self, name: str, version: str | None = None) -> Served:
        """What is served as `name`.

        Raises:
            UnknownName: nothing is, or not in that version.
        """
        served = self.served.get(name)
        if served is None:
            near = get_close_matches(name, self.served, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(list(self.served)[:20])}"
            raise UnknownName(f"no model {name[:64]!r}; {hint}")
        if version is not None and version != served.version:
            raise UnknownName(f"model {name!r} is served in version {served.version}, not {version[:64]!r}")
        return served

    def ready(self, served: Served, *, without: Collection[str] = ()) -> bool:
        """Whether `served` can answer now, `without` some others: itself, or enough of its members for its quorum."""
        if served.answerable is not None:
            return served.state.enabled and served.answerable(lambda part: self.ready(part, without=without))
        return served.state.enabled and served.state.phase == "ready" and served.name not in without


@dataclass(slots=True)
class Current:
    """The composition that new requests take; a reload swaps it by one assignment."""

    composition: Composition
    draining: bool = False

    def drain(self) -> None:
        """What is under way ends, and nothing in it is tried a second time; what still comes should go elsewhere."""
        self.draining = True
        for served in self.composition.served.values():
            if served.vitals is not None:
                served.vitals.budget.rest()

    def spare(self, now: float) -> None:
        """Requests are refused at `now`: there is no room for second tries."""
        for served in self.composition.served.values():
            if served.vitals is not None:
                served.vitals.budget.refuse(now)

    def ready(self) -> bool:
        """Whether the default can be asked."""
        return not self.draining and self.composition.ready(self.composition.find(self.composition.default))

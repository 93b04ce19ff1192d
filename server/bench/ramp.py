"""The ramp: open loops at one rate after the other, to find the highest that holds an objective."""

import asyncio
from collections.abc import Callable

import msgspec

from server.bench.arrivals import constant
from server.bench.load import Load
from server.bench.measured import Measured
from server.bench.objective import Objective
from server.bench.open_loop import open_loop
from server.bench.search import Search
from server.bench.summary import Summary, summary_of

REST_S = 1.0  # between two steps, in which a server recovers from the one before
LOOK_S = 0.1  # how often a step is looked at: what is lost already need not go on


class Step(msgspec.Struct, frozen=True):
    """One rate that was tried, and what of the objective it `missed`; `doubt` if the generator may be to blame."""

    rate: float
    held: bool
    missed: list[str]
    p99_ms: float | None
    share: float
    doubt: str | None


class Ramp:
    """Runs steps of `seconds` until `search` is over. `best` is what the highest rate that held has shown."""

    def __init__(self, load: Load, objective: Objective, search: Search, *, seconds: float) -> None:
        if not objective:
            raise ValueError("a ramp needs an objective")
        self._load, self._objective, self._search, self._seconds = load, objective, search, seconds
        self.steps: list[Step] = []
        self.best: Summary | None = None
        self.last: Summary | None = None
        self.measured = Measured(load.read)  # of the step under way

    @property
    def held(self) -> float:
        """The highest rate that held so far; 0 if none has."""
        return self._search.held

    @property
    def doubt(self) -> str | None:
        """Why the limit may be the generator's: it was so in every step that missed at the lowest rate that did."""
        missed = [step for step in self.steps if not step.held and step.rate == self._search.missed]
        return missed[-1].doubt if missed and all(step.doubt for step in missed) else None

    async def run(self, told: Callable[[Step], None]) -> None:
        """Take all steps, each `told` when it is over.

        Raises:
            OSError: the target has no address.
        """
        while (rate := self._search.rate) is not None:
            if self.steps:
                await asyncio.sleep(REST_S)
            summary = await self._try(rate)
            missed = self._objective.missed(summary)
            self.last = summary
            if not missed:
                self.best = summary
            p99, doubt = summary.latency_ms.get("p99"), summary.generator.doubt
            step = Step(rate, not missed, missed, p99, summary.share, doubt)
            self.steps.append(step)
            self._search.tell(held=step.held)
            told(step)

    async def _try(self, rate: float) -> Summary:
        self.measured = measured = Measured(self._load.read)
        running = asyncio.create_task(open_loop(self._load, constant(rate, self._seconds), measured))
        planned = max(1, round(rate * self._seconds))
        try:
            while not running.done():
                await asyncio.wait([running], timeout=LOOK_S)
                if self._objective.lost(measured, planned):
                    running.cancel()
                    await asyncio.wait([running])
        finally:
            running.cancel()
            await asyncio.wait([running])
        if not running.cancelled():
            running.result()
        return summary_of(measured, seconds=self._seconds, rate=rate)

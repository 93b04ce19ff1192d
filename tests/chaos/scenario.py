"""What a scenario is, and the stage that each finds itself on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from benchmarks.claims import Claim
from models.registry import Registry
from tests.chaos.figures import exactly
from tests.chaos.site import Site, started, stopped

T = TypeVar("T")
Rows = Sequence[Sequence[float]]
Loop = Literal["uvloop", "asyncio"]
LOOPS: tuple[Loop, ...] = ("uvloop", "asyncio")


@dataclass(frozen=True)
class Stage:
    """One run of a scenario: in full or `quick`, against a server on the event loop `loop`; files go into `folder`."""

    registry: Registry
    folder: Path
    loop: Loop
    quick: bool
    _logs: list[str] = field(default_factory=list)

    def size(self, full: T, quick: T) -> T:
        """The one that is wanted."""
        return quick if self.quick else full

    @asynccontextmanager
    async def serve(
        self,
        tables: str,
        *options: str,
        rows: Rows | None = None,
        hung_ms: int = 0,
        within: Sequence[str] = (),
    ) -> AsyncIterator[Site]:
        """`chorus serve` with these tables of a configuration, on a free port; `rows` of breast-cancer, or others.

        Stopped processes are left alone unless `hung_ms` says so; `within` is a command that runs it within bounds.
        """
        config = self.folder / f"site-{len(list(self.folder.iterdir()))}" / "chorus.toml"
        config.parent.mkdir()
        config.write_text(f'[registry]\npath = "{self.registry.path}"\n{tables}')
        with_rows = rows or self.registry.manifest("breast-cancer/logreg").examples
        said = ("--loop", self.loop, *options)
        site = await asyncio.to_thread(started, config, with_rows, *said, hung_ms=hung_ms, within=within)
        try:
            yield site
        finally:
            await asyncio.to_thread(stopped, site)
            self._logs.append(site.server.log)

    def logged(self, words: str) -> int:
        """How often the logs of all servers that have ended have these words."""
        return sum(log.count(words) for log in self._logs)

    def left_behind(self) -> list[Claim]:
        """What no scenario may find in a log."""
        return [
            exactly(f'"{words}" in the log', self.logged(words), 0)
            for words in ("Traceback", "Task exception was never retrieved", "never awaited")
        ]


Play = Callable[[Stage], Awaitable[Sequence[Claim]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done for a `goal`, and its figures. `seconds`: about how long it takes in full, on each event loop.

    `lacks`: why it cannot be tried on this machine; empty if it can.
    """

    goal: str
    name: str
    about: str
    seconds: float
    play: Play
    lacks: Callable[[], str] = str

    @property
    def key(self) -> str:
        """How it is called in a table and on the command line."""
        return f"{self.goal} {self.name}"


async def figures_of(scenario: Scenario, stage: Stage) -> list[Claim]:
    """Run it. What no server may do is looked at after each; times have no target where they say little."""
    found = list(await scenario.play(stage))
    found += [claim for claim in stage.left_behind() if claim.mark != "met"]
    return [replace(claim, bound=None) if stage.quick and not claim.exact else claim for claim in found]

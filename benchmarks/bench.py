"""What every scenario is given: how long to measure, where the models are, a folder for what is written meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from benchmarks import chorus
from benchmarks.alternation import Figures, Times, alternate
from benchmarks.bodies import json_body, real_rows
from benchmarks.claims import Claim
from benchmarks.contestants import Contestant
from benchmarks.process import Server
from benchmarks.progress import Progress
from benchmarks.wrk import Load, write_bodies

START_SECONDS = 12.0  # about how long it takes until all servers of a scenario are up
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Options:
    """`requests` for the scenario that counts them. `quick`: fewer things are compared."""

    times: Times = field(default_factory=Times)
    requests: int = 1_000_000
    quick: bool = False
    access_log: bool = True

    def __str__(self) -> str:
        log = "with" if self.access_log else "without"
        return f"{self.times.rounds} alternations of {self.times.seconds} s; Chorus {log} its access log"


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario found: what it claims, and in `details` the figures behind it as Markdown tables."""

    claims: tuple[Claim, ...]
    details: str = ""


@dataclass(frozen=True)
class Bench:
    """One run on the models in `registry`; files that nobody needs later go into `folder`."""

    options: Options
    registry: Path
    folder: Path
    progress: Progress

    def alternate(self, contestants: Sequence[Contestant], connections: Sequence[int]) -> Figures:
        """Drive all in turn, as long and as often as the options say, once all are up."""
        for contestant in contestants:
            for server in contestant.servers:
                _ = server.origin
        self.progress.step(START_SECONDS, "all are up")
        return alternate(contestants, connections, times=self.options.times, progress=self.progress)

    def chorus(self, name: str, tables: str) -> Server:
        """`chorus serve` with these tables, and otherwise its defaults."""
        return chorus.start(name, tables, self.registry, self.folder, access_log=self.options.access_log)

    def five(self, *, inline: bool) -> Server:
        """Chorus with the five members."""
        return self.chorus("chorus-inline" if inline else "chorus", chorus.five(inline=inline))

    @cached_property
    def rows(self) -> list[list[float]]:
        """The real rows."""
        return real_rows()

    @cached_property
    def single_rows(self) -> Path:
        """Bodies of one row each, of all real rows."""
        return write_bodies(self.folder / "single-rows", [json_body([row]) for row in self.rows])

    def one_row(self, server: Server) -> Load:
        """One row after the other to `POST /predict`."""
        return Load(f"{server.origin}/predict", self.single_rows, JSON)

    def baseline(self, name: str, module: str, *arguments: str) -> Server:
        """One of the programs in `benchmarks.baselines`, started."""
        return Server(name, ["-m", f"benchmarks.baselines.{module}", *arguments], self.folder)

    def member(self, name: str, kind: str) -> Server:
        """A model server for `gather`; `kind`: compiled or original."""
        return self.baseline(f"{kind}-{name}", "model", str(self.registry), f"breast-cancer/{name}", kind)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`expected` says about how many seconds it takes, so that the time left can be told."""

    name: str
    about: str
    expected: Callable[[Options], float]
    run: Callable[[Bench], Result]


def answer_size(origin: str, body: bytes) -> int:
    """How many bytes a server answers to `body`."""
    from urllib.request import Request, urlopen

    with urlopen(Request(f"{origin}/predict", data=body, headers=JSON), timeout=10) as response:
        answer = response.read()
    assert msgspec.json.decode(answer)
    return len(answer)

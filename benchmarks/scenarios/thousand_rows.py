"""A thousand rows in one body, next to the five compiled models called directly in one process."""

import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from backends.oip import HEADER_LENGTH
from benchmarks import chorus
from benchmarks.alternation import Figures
from benchmarks.baselines.direct import Printed
from benchmarks.bench import JSON, START_SECONDS, Bench, Options, Result, Scenario
from benchmarks.bodies import binary_body, json_body, repeated
from benchmarks.claims import Bound, Claim
from benchmarks.contestants import Driven, RunFailed, Sample
from benchmarks.details import figures_table, with_spread
from benchmarks.process import ROOT, Server
from benchmarks.table import table
from benchmarks.wrk import Load, write_bodies

ROWS = 1000
DIRECT = "direct"
KINDS = PROCESSES, INLINE = "chorus", "chorus inline"


def connections(options: Options) -> tuple[int, ...]:
    return (8,) if options.quick else (1, 8)


def expected(options: Options) -> float:
    return START_SECONDS + options.times.expected(5, len(connections(options)))


def run(bench: Bench) -> Result:
    counts = connections(bench.options)
    rows = repeated(bench.rows, ROWS)
    binary, length = binary_body(rows)
    as_json = write_bodies(bench.folder / "rows.json", [json_body(rows)])
    as_binary = write_bodies(bench.folder / "rows.binary", [binary])
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(length)}
    with ExitStack() as opened:
        contestants: list[Driven | Direct] = [Direct(bench.registry)]
        servers = {name: opened.enter_context(bench.five(inline=name == INLINE)) for name in KINDS}
        for name, server in servers.items():
            v1 = Load(f"{server.origin}/v1/models/{chorus.ENSEMBLE}:predict", as_json, JSON)
            v2 = Load(f"{server.origin}/v2/models/{chorus.ENSEMBLE}/infer", as_binary, headers)
            contestants.append(Driven(f"{name}, binary", (server,), v2, is_chorus=True))
            contestants.append(Driven(f"{name}, JSON", (server,), v1, is_chorus=True))
        figures = bench.alternate(contestants, counts)
    return Result(tuple(claims(figures, counts)), f"{rows_table(figures)}\n\n{figures_table(figures)}")


@dataclass(frozen=True, slots=True)
class Direct:
    """The models in a process of their own, which ends with each slice. It has no connections."""

    registry: Path
    name: str = DIRECT
    servers: tuple[Server, ...] = ()

    def warm_up(self, connections: int, seconds: int) -> None:
        """Each slice is another process, which warms up by itself."""

    def measure(self, connections: int, seconds: int) -> Sample:
        arguments = ["-m", "benchmarks.baselines.direct", str(self.registry), str(ROWS), str(seconds)]
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            raise RunFailed(f"{self.name}: {done.stderr.strip()[-300:]}")
        said = msgspec.json.decode(done.stdout, type=Printed)
        return Sample(said.calls, said.seconds, said.cpu_seconds)


def claims(figures: Figures, counts: Iterable[int]) -> Iterable[Claim]:
    for count in counts:
        for name in KINDS:
            for form, least in (("binary", 0.5), ("JSON", 0.2)):
                against = figures.ratio(f"{name}, {form}", DIRECT, count, lambda sample: sample.rate)
                yield Claim(f"rows/s at {count}: {name}, {form} / direct", against, Bound(least=least))


def rows_table(figures: Figures) -> str:
    """Rows per second."""
    lines = [
        (name, str(count), with_spread(figures.spread(name, count, lambda sample: sample.rate * ROWS)))
        for name, count in figures
    ]
    return table(("", "connections", "rows/s"), lines)


SCENARIO = Scenario("thousand-rows", "a thousand rows in one body, in JSON and in binary", expected, run)

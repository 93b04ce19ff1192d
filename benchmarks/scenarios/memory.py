"""Memory after a million requests, and that it does not grow on the way there.

Of the proportional set size: what a process has for itself, and its share of what it shares with others.
"""

from collections.abc import Iterable, Mapping
from urllib.request import urlopen

import msgspec

from benchmarks import proc
from benchmarks.bench import Bench, Options, Result, Scenario
from benchmarks.claims import Bound, Claim
from benchmarks.contestants import Driven
from benchmarks.process import Server
from benchmarks.spread import Spread
from benchmarks.table import shown, table

CONNECTIONS = 64
SHARES = (0.1, 0.5, 1.0)
GUESSED_RATE = 1500  # answers per second, for the time left
FLAT_MB = 5  # between the first look and the last: five bytes a request would be a leak worth finding

Sizes = Mapping[str, float]
"""Megabytes (10**6) by process."""


class Backend(msgspec.Struct):
    """What is needed of an entry of /debug/backends."""

    name: str
    pid: int | None = None


class Backends(msgspec.Struct):
    """What is needed of /debug/backends."""

    backends: list[Backend]


def expected(options: Options) -> float:
    return 5 + options.requests / GUESSED_RATE


def run(bench: Bench) -> Result:
    requests = bench.options.requests
    with bench.five(inline=False) as server:
        asked = Driven("chorus", (server,), bench.one_row(server), is_chorus=True)
        done, looks = 0, []
        for share in SHARES:
            while done < share * requests:
                sample = asked.measure(CONNECTIONS, bench.options.times.seconds)
                done += sample.requests
                bench.progress.step(sample.requests / GUESSED_RATE, f"{done:,} of {requests:,}: {sample.rate:,.0f}/s")
            looks.append(sizes(server))
    return Result(tuple(claims(looks)), sizes_table(looks, requests))


def sizes(server: Server) -> Sizes:
    """Of the supervisor, each worker, and the fronts, which are what is left."""
    with urlopen(f"{server.origin}/debug/backends", timeout=10) as response:
        backends = msgspec.json.decode(response.read(), type=Backends).backends
    names = {backend.pid: f"worker {backend.name}" for backend in backends if backend.pid}
    names[server.process.pid] = "supervisor"
    pids = server.pids()
    fronts = [pid for pid in pids if pid not in names]
    names |= {pid: "front" if len(fronts) == 1 else f"front {at + 1}" for at, pid in enumerate(fronts)}
    return {names[pid]: proc.pss_bytes(pid) / 1e6 for pid in sorted(pids, key=lambda pid: names[pid])}


def claims(looks: list[Sizes]) -> Iterable[Claim]:
    first, last = looks[0], looks[-1]
    for kind, most in (("front", 150), ("worker", 90)):
        of_kind = [name for name in last if name.startswith(kind)]
        largest = Spread((max(last[name] for name in of_kind),))
        yield Claim(f"the largest {kind}", largest, Bound(most), " MB", exact=True)
        growth = Spread((max(last[name] - first[name] for name in of_kind),))
        yield Claim(f"growth of a {kind} from 10 % to 100 %", growth, Bound(FLAT_MB), " MB", exact=True)


def sizes_table(looks: list[Sizes], requests: int) -> str:
    headings = ("MB (PSS) after", *(f"{share * requests:,.0f}" for share in SHARES))
    return table(headings, [(name, *(shown(look[name]) for look in looks)) for name in looks[-1]])


SCENARIO = Scenario("memory", "the memory of each process over a million one-row requests", expected, run)

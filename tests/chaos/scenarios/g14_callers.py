"""G14, G18, G24: callers who are too many, too slow, or have too much to say."""

import asyncio
import re
import time

import msgspec

from benchmarks import proc
from benchmarks.claims import Claim
from server.bench.closed_loop import closed_loop
from server.bench.load import Load
from server.descriptors import raised_limit
from tests.chaos.burnt import ROW, at_most, burn, goodput, offered
from tests.chaos.callers import MIB, connected, hung_up, large, slow
from tests.chaos.figures import counted, exactly, measured, share, timed
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site, resident_mb
from tests.chaos.tables import DEADLINE_MS, five

FEW_FILES = ("prlimit", "--nofile=256:256")
LARGEST = 16 * MIB
LARGE_MS = 10_000  # the deadline of those who send so much


async def slow_and_large(stage: Stage) -> list[Claim]:
    """Five times what it can do, beside a thousand who never come to an end and four who send 100 MB at a time."""
    seconds, callers = stage.size((60, 1000), (3, 100))
    raised_limit()
    async with stage.serve(burn(), rows=ROW) as site:
        capacity = await at_most(site, stage.size(10, 1))
        fronts = await site.fronts()
        before = most = resident_mb(*fronts)
        async with slow(site, callers), large(site, 4):
            load = asyncio.create_task(offered(site, 5 * capacity, seconds))
            while not load.done():
                await asyncio.wait([load], timeout=0.25)
                most = max(most, resident_mb(*fronts))
            run = await load
        _, said = await site.ask("/debug/load")
    return [
        counted("MB of the front beyond what it had before", most - before, most=200),
        measured("goodput at 5x, of C", goodput(run, seconds, capacity), least=80, unit=" %"),
        timed("p99 of answers", run.latency.at([99])[0], most=DEADLINE_MS),
        exactly("requests without an answer", sum(run.errors.values()), 0),
        measured("slow heads that were hung up on", said["fronts"][0]["hung_up"].get("header", 0)),
    ]


async def largest_bodies(stage: Stage) -> list[Claim]:
    """Two callers send as much JSON as is allowed, as fast as it is answered; how late is the event loop?"""
    seconds = stage.size(30, 3)
    async with stage.serve(five()) as site:
        await site.drive(50, 1)  # what is done but once
        before, small = await ticks(site), asyncio.create_task(site.drive(50, seconds))
        run = await closed_loop(whole_bodies(site, stage.size(LARGEST, MIB)), seconds)
        others, after = await small, await ticks(site)
        _, said = await site.ask("/debug/load")
    within, all_of_them = (one - other for one, other in zip(after, before, strict=True))
    return [
        counted("bodies answered 200", run.statuses[200], least=1),
        share("small requests beside them answered 200", others.statuses[200], others.offered, least=100),
        measured("looks at the loop that were at most 10 ms late", 100 * within / all_of_them, least=99.9, unit=" %"),
        timed("the longest lag", said["fronts"][0]["loop_lag_ms"]["longest"], most=50),
        timed("p99 of small requests", others.latency.at([99])[0]),
    ]


def whole_bodies(site: Site, size: int) -> Load:
    """Requests of about `size` bytes, from two callers."""
    row = msgspec.json.encode(site.rows[0])
    count = size // (len(row) + 1) - 10
    parameters = msgspec.json.encode({"timeout_ms": LARGE_MS})
    body = b'{"instances":[' + b",".join([row] * count) + b'],"parameters":' + parameters + b"}"
    return Load(site.target, (site.target.post("/predict", body),), connections=2, patience=2 * LARGE_MS / 1e3)


async def ticks(site: Site) -> tuple[float, float]:
    """How often the event loop was looked at, and how often of these it was at most 10 ms late."""
    _, text = await site.ask("/metrics")
    found = dict(re.findall(rb'chorus_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', text))
    return float(found[b"0.01"]), float(found[b"+Inf"])


async def few_files(stage: Stage) -> list[Claim]:
    """A thousand connections to a server that may have 256 files open: it lives, and answers whoever asks."""
    callers, seconds = stage.size((1000, 20), (400, 2))
    raised_limit()
    async with stage.serve(five(), within=FEW_FILES) as site:
        (front,) = await site.fronts()
        idle = await connected(site, callers)
        began, cpu = time.perf_counter(), proc.cpu_seconds(front)
        statuses = []
        while time.perf_counter() < began + seconds:
            statuses.append((await site.ask("/livez"))[0])
            await asyncio.sleep(0.25)
        busy = (proc.cpu_seconds(front) - cpu) / (time.perf_counter() - began)
        hung_up(idle)
        gone = time.perf_counter()
        again, _ = await site.ask("/predict", {"instances": site.rows[:1]})
        recovered = time.perf_counter() - gone
        still = await site.fronts()
    return [
        exactly("fronts that were replaced", len({front} - set(still)), 0),
        share("probes answered 200 meanwhile", statuses.count(200), len(statuses), least=100),
        measured("CPU of the front meanwhile", 100 * busy, most=50, unit=" %"),
        exactly("status of the first answer afterwards", again, 200),
        timed("until it came", 1e3 * recovered, most=2000),
    ]


SCENARIOS = (
    Scenario("G14", "slow-and-large", "5x, 1,000 slow callers and bodies of 100 MB", 80, slow_and_large),
    Scenario("G18", "largest-bodies", "16 MB of JSON at a time, as fast as it is answered", 40, largest_bodies),
    Scenario("G24", "few-files", "256 files, 1,000 connections", 35, few_files),
)

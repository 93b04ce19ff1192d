"""G25: the wall clock jumps by an hour, and back by two; nothing that is timed notices."""

import asyncio
import shutil
import signal
import struct
import subprocess
from datetime import datetime
from pathlib import Path

from benchmarks.claims import Claim
from tests.chaos.figures import exactly, share, timed
from tests.chaos.scenario import Scenario, Stage
from tests.chaos.site import Site
from tests.chaos.tables import DEADLINE_MS, five

HOUR = 3600
SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *offset;  /* seconds, in a file that whoever moves the clock writes */

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec read;
    int failed = clock_gettime(CLOCK_REALTIME, &read);
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class Clock:
    """A wall clock for the processes that are started `within` it; their other clocks are the system's."""

    def __init__(self, folder: Path) -> None:
        self._offset, source, shim = folder / "offset", folder / "shim.c", folder / "shim.so"
        self.move(0)
        source.write_text(SHIM)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(shim), str(source)], check=True)
        self.within = ("env", f"LD_PRELOAD={shim}", f"CLOCK_OFFSET={self._offset}")

    def move(self, seconds: int) -> None:
        """So far ahead of the system's."""
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("l", seconds))


async def jumps(stage: Stage) -> list[Claim]:
    """A limit by rate, a breaker, heartbeats and deadlines are at work meanwhile; a worker is killed on the way."""
    rate, pause = stage.size((100, 10), (50, 2))
    clock = await asyncio.to_thread(Clock, stage.folder)
    moved: list[datetime] = []
    async with stage.serve(five(), hung_ms=3000, within=clock.within) as site:
        load = asyncio.create_task(site.drive(rate, 3 * pause))
        for offset in (0, HOUR, -HOUR):
            clock.move(offset)
            if offset == HOUR:
                await site.signal(signal.SIGKILL, "forest")
            await asyncio.sleep(pause * 0.8)
            moved.append(await _clock(site))
        run = await load
        backends = [await site.backend(name) for name in ("logreg", "mlp", "xgboost")]
    return [
        exactly("hours that the server saw the clock move: ahead", _hours(moved[1], moved[0]), 1),
        exactly("and back", _hours(moved[1], moved[2]), 2),
        share("answered 200", run.statuses[200], run.offered, least=100),
        exactly("processes replaced that were not killed", sum(said["restarts"] for said in backends), 0),
        timed("p99", run.latency.at([99])[0], most=DEADLINE_MS),
    ]


async def _clock(site: Site) -> datetime:
    """The server's own wall clock, by its last request."""
    _, said = await site.ask("/debug/requests")
    return datetime.fromisoformat(said["requests"][0]["time"])


def _hours(later: datetime, earlier: datetime) -> int:
    return round((later - earlier).total_seconds() / HOUR)


SCENARIOS = (
    (Scenario("G25", "wall-clock", "the wall clock jumps an hour ahead and two back, 100/s", 40, jumps),)
    if shutil.which("cc")
    else ()
)
"""Where nothing can be compiled there is no clock that could be moved."""

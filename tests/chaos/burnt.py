"""A server whose one model burns CPU, and what it can do."""

from pathlib import Path

from server.bench.closed_loop import closed_loop
from server.bench.measured import Measured
from tests.chaos import burning
from tests.chaos.site import Site
from tests.chaos.tables import DEADLINE_MS

ROW = ((1.0, 2.0),)
USERS = 4  # in a closed loop: enough that no worker is ever idle


def burn(*, processes: int = 1) -> str:
    """The tables."""
    return (
        f'[server]\naccess_log = false\n[backends.burn]\npython = "burning:predict"\nprocesses = {processes}\n'
        f'path = "{Path(burning.__file__).parent}"\nfeatures = ["a", "b"]\nlabels = ["no", "yes"]\n'
    )


async def at_most(site: Site, seconds: float) -> float:
    """How many requests a second it answers in a closed loop, which is the most that it can."""
    run = await closed_loop(site.load(connections=USERS, timeout_ms=DEADLINE_MS), seconds)
    return run.statuses[200] / seconds


async def offered(site: Site, rate: float, seconds: float) -> Measured:
    """An open loop of requests that have D."""
    return await site.drive(rate, seconds, site.load(timeout_ms=DEADLINE_MS))


def goodput(run: Measured, seconds: float, capacity: float) -> float:
    """What was answered, in percent of the `capacity` a second."""
    return 100 * run.statuses[200] / seconds / capacity

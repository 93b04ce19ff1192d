"""What the operating system says about processes: their processor time and their memory. Linux only."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Stat:
    """Of /proc/PID/stat: the parent, and the processor time of the process and of its children that have ended."""

    pid: int
    parent: int
    cpu_seconds: float


def read_stat(text: str) -> Stat:
    """One process, from its line. Its name may hold anything, also brackets and blanks."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
    return Stat(int(head.partition(" ")[0]), int(fields[1]), ticks / TICKS)


def processes() -> dict[int, Stat]:
    """Every process there is."""
    found = {}
    for path in PROC.glob("[0-9]*/stat"):
        try:
            stat = read_stat(path.read_text())
        except OSError:  # it has just ended
            continue
        found[stat.pid] = stat
    return found


def tree(root: int, stats: Mapping[int, Stat]) -> list[int]:
    """`root` and all its descendants."""
    if root not in stats:
        return []
    children = [pid for pid, stat in stats.items() if stat.parent == root]
    return [root, *(pid for child in children for pid in tree(child, stats))]


def cpu_seconds(root: int) -> float:
    """The processor time of `root` and its descendants, since they were started."""
    stats = processes()
    return sum(stats[pid].cpu_seconds for pid in tree(root, stats))


def runnable(pid: int) -> bool:
    """Whether a thread of this process runs, or waits for nothing but a core."""
    for path in PROC.glob(f"{pid}/task/*/stat"):
        try:
            if path.read_text().rpartition(")")[2].split()[0] == "R":
                return True
        except OSError:  # it has just ended
            continue
    return False


def busy_seconds() -> float:
    """The processor time of all that runs on this machine, and what its host took, since it was started."""
    return read_busy((PROC / "stat").read_text())


def read_busy(text: str) -> float:
    """The seconds of the first line of /proc/stat in which a core was not idle."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, text.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def pss_bytes(pid: int) -> int:
    """The proportional set size: the process's own memory, and its share of what it shares with others.

    Raises:
        OSError: it has ended, or belongs to someone else.
    """
    return read_pss((PROC / str(pid) / "smaps_rollup").read_text())


def read_pss(text: str) -> int:
    """The line `Pss:` of a smaps_rollup, in bytes.

    Raises:
        ValueError: there is none.
    """
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no line begins with Pss:")


def command_of(pid: int) -> list[str]:
    """The words that it was started with; none if it has ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_text().rstrip("\0").split("\0")
    except OSError:
        return []

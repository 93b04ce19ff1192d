"""Where and when it was measured: no figure means anything without."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import wrk
from models.provenance import libraries, revision

SHOWN = ("python", "aiohttp", "uvloop", "numpy", "onnxruntime", "scikit-learn", "xgboost-cpu")


def machine() -> str:
    """Cores, their name, memory, the system."""
    cores, memory = len(os.sched_getaffinity(0)), memory_gb(_read("/proc/meminfo"))
    return f"{cores} cores of {model_name(_read('/proc/cpuinfo'))}, {memory:.0f} GB, Linux {platform.release()}"


def versions() -> str:
    """Of what matters for the figures."""
    from importlib.metadata import version

    found = libraries() | {name: version(name) for name in ("aiohttp", "uvloop")}
    return ", ".join([*(f"{name} {found[name]}" for name in SHOWN if name in found), f"wrk {wrk.version()}"])


def stamp() -> str:
    """One paragraph on the machine, the versions, the code and the date (UTC)."""
    return f"{datetime.now(UTC):%Y-%m-%d}, commit {(revision() or 'unknown')[:12]}; {machine()}; {versions()}"


def model_name(cpuinfo: str) -> str:
    """The processor's name; what /proc/cpuinfo does not say is unknown."""
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return names[0] if names else f"unknown {platform.machine()}"


def memory_gb(meminfo: str) -> float:
    """All memory, in GB of 2**30 bytes."""
    totals = [line.split()[1] for line in meminfo.splitlines() if line.startswith("MemTotal:")]
    return int(totals[0]) / 2**20 if totals else 0.0


def _read(path: str) -> str:
    return Path(path).read_text()

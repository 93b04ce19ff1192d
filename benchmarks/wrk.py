"""Runs wrk, which asks in a closed loop: each connection sends its next request once it has its answer."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.histogram import uncorrected

SCRIPT = Path(__file__).with_name("wrk.lua")
STATUS = "status"  # the kind of error that is an answer: 400 and more
PATIENCE_S = 20  # for one answer; wrk keeps a count for each microsecond of it


class WrkFailed(Exception):
    """It could not be run, or said something else than expected."""


class Printed(msgspec.Struct):
    """The line that wrk.lua prints; `counts` are pairs of microseconds and answers."""

    requests: int
    micros: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int
    counts: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Load:
    """What to send where: one after the other the bodies in the file `bodies`."""

    url: str
    bodies: Path
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came back: `requests` answers in `seconds`, `counts` of them by microseconds, and errors by their kind."""

    requests: int
    seconds: float
    failed: Mapping[str, int]
    counts: Mapping[int, int]


def write_bodies(path: Path, bodies: list[bytes]) -> Path:
    """A file as wrk.lua reads it."""
    path.write_bytes(b"".join(b"%d\n%b" % (len(body), body) for body in bodies))
    return path


def drive(load: Load, connections: int, seconds: int) -> Measured:
    """Ask over so many `connections` for so many whole `seconds`.

    Raises:
        WrkFailed: it cannot be run.
    """
    headers = [f"-H{name}: {value}" for name, value in load.headers.items()]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={PATIENCE_S}s", f"-s{SCRIPT}", *headers]
    process = subprocess.Popen(
        [*command, load.url, "--", str(load.bodies)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said, _ = process.communicate(timeout=seconds + 2 * PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise WrkFailed(f"wrk did not end: {load.url}") from error
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    if process.returncode:
        raise WrkFailed(f"wrk ended with {process.returncode}: {said.strip()[-300:]}")
    return read_printed(said, connections)


def read_printed(said: str, connections: int) -> Measured:
    """What wrk measured, from all that it printed.

    Raises:
        WrkFailed: its last line is not that of wrk.lua, or its counts do not add up.
    """
    try:
        printed = msgspec.json.decode(said.strip().rpartition("\n")[2], type=Printed)
    except msgspec.DecodeError as error:
        raise WrkFailed(f"wrk printed {said.strip()[-300:]!r}") from error
    rounds = printed.requests // connections
    counts = dict(printed.counts)
    if rounds:
        counts = uncorrected(counts, printed.micros // rounds)
    if sum(counts.values()) + printed.timeout != printed.requests:
        raise WrkFailed(f"wrk's counts add up to {sum(counts.values())}, not to its {printed.requests} answers")
    failed = {name: getattr(printed, name) for name in ("connect", "read", "write", STATUS, "timeout")}
    return Measured(printed.requests, printed.micros / 1e6, {k: v for k, v in failed.items() if v}, counts)


def version() -> str:
    """wrk's own version; empty if it does not say."""
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}, check=False)
    words = (said.stdout + said.stderr).split()
    return next((word for word in words[1:] if any(letter.isdigit() for letter in word)), "")

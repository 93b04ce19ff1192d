"""A server under test: a process and its children, started, ready, and always stopped."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType

from benchmarks import proc

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
IDLE_SHARE = 0.1  # of one core; a server that does less is waiting
LOOK_SECONDS = 0.1
DRAIN_SECONDS = 20.0  # for what clients who have gone had asked for

_ORIGIN = re.compile(r"ready\b.* at (http://[^\s;]+)")
ROOT = Path(__file__).parents[1]


class ServerFailed(Exception):
    """It did not start, or ended before it was told to."""


class Server:
    """`python ARGUMENTS` in the folder of the project. It is ready once its `origin` has been read.

    Several that are made one after the other start side by side.
    """

    def __init__(self, name: str, arguments: Sequence[str], folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        self.started_in = 0.0
        self._began = time.perf_counter()
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.leash", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                start_new_session=True,  # a Ctrl-C in the terminal is for the benchmark, which then stops it
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )

    @cached_property
    def origin(self) -> str:
        """Where it listens. Waits until it is ready; `started_in` is how long that was from its start, in seconds.

        Raises:
            ServerFailed: it ends before.
        """
        assert self.process.stdout is not None
        watchdog = threading.Timer(READY_SECONDS, self.process.kill)
        watchdog.daemon = True  # a signal that comes before it is cancelled must not wait for it
        watchdog.start()
        try:
            for line in self.process.stdout:
                if found := _ORIGIN.search(line):
                    self.started_in = time.perf_counter() - self._began
                    return found[1]
        finally:
            watchdog.cancel()
        raise ServerFailed(f"{self.name} did not start: {self._log.read_text()[-1000:].strip()}")

    def cpu_seconds(self) -> float:
        """The processor time of all its processes until now.

        Raises:
            ServerFailed: it has ended.
        """
        if self.process.poll() is not None:
            raise ServerFailed(f"{self.name} has ended: {self._log.read_text()[-1000:].strip()}")
        return proc.cpu_seconds(self.process.pid)

    def runnable(self) -> bool:
        """Whether it has work to do; on a machine that is too busy, that takes no processor time."""
        return any(map(proc.runnable, self.pids()))

    def pids(self) -> list[int]:
        """All its processes, itself first."""
        return proc.tree(self.process.pid, proc.processes())

    def stop(self) -> None:
        """End it and all that it started."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                for pid in self.pids():
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def wait_until_idle(servers: Sequence[Server]) -> None:
    """Wait until nobody works any more on what the last clients had asked before they went.

    Raises:
        ServerFailed: a server has ended, or is still at work after `DRAIN_SECONDS`.
    """
    until = time.monotonic() + DRAIN_SECONDS
    before = {server.name: server.cpu_seconds() for server in servers}
    while True:
        time.sleep(LOOK_SECONDS)
        now = {server.name: server.cpu_seconds() for server in servers}
        most = IDLE_SHARE * LOOK_SECONDS + 0.5 / proc.TICKS
        busy = [server.name for server in servers if now[server.name] - before[server.name] > most or server.runnable()]
        if not busy:
            return
        if time.monotonic() > until:
            raise ServerFailed(f"still at work though nobody asks: {', '.join(busy)}")
        before = now

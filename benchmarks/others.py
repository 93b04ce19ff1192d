"""Who else was at work on the machine meanwhile: a figure that was disturbed should say so."""

import os
import time
from collections.abc import Callable

from benchmarks import proc

FEW = 0.1  # of one core; less disturbs nobody


class Others:
    """Watches from when it is made. `busy`: processor seconds of everyone; `own`: of us and all that we start."""

    def __init__(
        self,
        busy: Callable[[], float] = proc.busy_seconds,
        own: Callable[[], float] = lambda: proc.cpu_seconds(os.getpid()),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._busy, self._own, self._clock = busy, own, clock
        self._began, self._before = clock(), busy() - own()

    def cores(self) -> float:
        """How many cores others have kept busy since then."""
        passed = self._clock() - self._began
        return max(0.0, self._busy() - self._own() - self._before) / passed if passed else 0.0

    def __str__(self) -> str:
        cores = self.cores()
        doubt = "" if cores <= FEW else "; **times are not worth much**"
        return f"Others on this machine kept {cores:.2f} cores busy meanwhile{doubt}."

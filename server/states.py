"""The states of a backend's workers, as a front hears of them, and what they come to together."""

from collections.abc import Mapping
from typing import TypeAlias

from backends.served import Phase, State

BEST: tuple[Phase, ...] = ("ready", "starting", "away")
"""What is said of several workers: the first of these that any is."""


class WorkerStates:
    """`each` of `count` workers, and the backend as a `whole`, which is its worker if there is only one."""

    def __init__(self, count: int) -> None:
        self.each = tuple(State(phase="starting") for _ in range(count))
        self.whole = self.each[0] if count == 1 else State(phase="starting")

    def hear(self, index: int, phase: Phase, pid: int | None, restarts: int) -> None:
        """What changed about one of them."""
        one = self.each[index]
        one.phase, one.pid, one.restarts = phase, pid, restarts
        if len(self.each) > 1:
            phases = {worker.phase for worker in self.each}
            self.whole.phase = next(phase for phase in BEST if phase in phases)
            self.whole.restarts = sum(worker.restarts for worker in self.each)


AllStates: TypeAlias = Mapping[tuple[str, int], WorkerStates]
"""By backend and the generation of its workers."""

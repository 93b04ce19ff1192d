"""The five compiled models called directly in one process, with no server at all.

    python -m benchmarks.baselines.direct REGISTRY ROWS SECONDS

Prints how many times all five were asked for ROWS rows, in how many seconds, and the processor time of that.
"""

import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.baselines.model import Predict, compiled
from benchmarks.bodies import real_rows, repeated
from benchmarks.chorus import MEMBERS
from models.registry import Registry
from models.types import Array

WARM_UP_SECONDS = 0.5


class Printed(msgspec.Struct):
    """The line that is printed."""

    calls: int
    seconds: float
    cpu_seconds: float


def measured(models: list[Predict], rows: Array, seconds: float) -> Printed:
    """Ask all `models` for `rows` (n, f) again and again."""
    calls, began, cpu = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - began) < seconds:
        for predict in models:
            predict(rows)
        calls += 1
    return Printed(calls, passed, time.process_time() - cpu)


def main(registry: str, count: str, seconds: str) -> None:
    """Measure and print, after a warm-up."""
    models = [compiled(Registry(Path(registry)), f"breast-cancer/{name}") for name in MEMBERS]
    rows: Array = np.array(repeated(real_rows(), int(count)), np.float32)
    measured(models, rows, WARM_UP_SECONDS)
    print(msgspec.json.encode(measured(models, rows, float(seconds))).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])

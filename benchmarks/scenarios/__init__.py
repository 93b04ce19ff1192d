"""What is measured, one file each."""

from benchmarks.bench import Scenario
from benchmarks.scenarios import one_row

SCENARIOS: tuple[Scenario, ...] = (one_row.SCENARIO,)

"""What is measured, one file each."""

from benchmarks.bench import Scenario
from benchmarks.scenarios import members, memory, one_row, start, straggler, thousand_rows

SCENARIOS: tuple[Scenario, ...] = (
    one_row.SCENARIO,
    straggler.SCENARIO,
    thousand_rows.SCENARIO,
    members.SCENARIO,
    memory.SCENARIO,
    start.SCENARIO,
)

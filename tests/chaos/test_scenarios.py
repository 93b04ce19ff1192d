"""Every scenario at its quick size: what it counts must hold. What it times is for `make chaos`, on a quiet machine.

The servers run on one event loop and the other in turn; `make chaos` runs each scenario on both.
"""

import asyncio
from pathlib import Path

import pytest

from models.registry import Registry
from tests.chaos.scenario import LOOPS, Scenario, Stage, figures_of
from tests.chaos.suite import scenarios
from tests.running import PATIENCE

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda one: one.key)
async def test_what_a_scenario_counts_holds(scenario: Scenario, trained: Registry, tmp_path: Path) -> None:
    if lacking := scenario.lacks():
        pytest.skip(lacking)
    loop = LOOPS[scenarios().index(scenario) % len(LOOPS)]
    stage = Stage(trained, tmp_path, loop, quick=True)
    async with asyncio.timeout(2 * PATIENCE):
        found = await figures_of(scenario, stage)
    counts = [claim for claim in found if claim.exact and claim.bound]
    assert counts
    assert [f"{claim.what}: {claim.value:g}" for claim in counts if claim.mark != "met"] == []

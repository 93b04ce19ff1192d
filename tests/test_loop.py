"""The tests' own clock."""

import asyncio


async def test_the_clock_jumps_to_the_next_timer() -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(3600)
    assert loop.time() == 3600

"""From the command to the line that says ready: five workers with a compiled model each."""

from benchmarks import chorus
from benchmarks.bench import Bench, Options, Result, Scenario
from benchmarks.claims import Bound, Claim
from benchmarks.spread import Spread

MOST_SECONDS = 3
GUESSED_SECONDS = 3.0


def expected(options: Options) -> float:
    return GUESSED_SECONDS * options.times.rounds


def run(bench: Bench) -> Result:
    times = []
    for number in range(bench.options.times.rounds):
        with bench.chorus(f"start-{number}", chorus.five(inline=False)) as server:
            _ = server.origin
            times.append(server.started_in)
        bench.progress.step(GUESSED_SECONDS, f"{number + 1}/{bench.options.times.rounds}  {times[-1]:.2f} s")
    return Result((Claim("from the command to ready", Spread(tuple(times)), Bound(MOST_SECONDS), " s"),))


SCENARIO = Scenario("start", "the start of a server with five workers", expected, run)

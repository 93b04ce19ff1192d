"""What the layers are for, as simulations on the tests' own clock: the goals G1, G2, G8, G9 and G10 of staying up.

Open loops: calls begin when they are due, whatever becomes of those before them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from backends.circuit import FIRST_WAIT, JITTER
from models.deadline import Deadline, deadline_after
from models.errors import BackendError, ConnectionLost
from models.types import PROBABILITIES, InferRequest, InferResponse
from server.settings import BackendSettings
from tests.fakes import now, ones, sure
from tests.layered import Vote, behind_layers, reasons

USUAL = 0.005  # seconds that a call takes


class Model:
    """Answers after `takes()` seconds, unless `fails()`; counts the calls, and those under way."""

    def __init__(self, takes: Callable[[], float] = lambda: USUAL, fails: Callable[[], bool] = lambda: False) -> None:
        self.takes = takes
        self.fails = fails
        self.begun: list[float] = []

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        self.begun.append(now())
        fails = self.fails()
        await asyncio.sleep(self.takes())
        if fails:
            raise ConnectionLost("reset")
        return InferResponse({PROBABILITIES: sure(1)}, request.id)


async def open_loop(call: Callable[[], Awaitable[object]], rate: float, seconds: float) -> None:
    """Begin `rate` calls a second for so many seconds, and wait for all of them."""
    began, calls = now(), []
    for tick in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + tick / rate - now()))
        calls.append(asyncio.ensure_future(call()))
    await asyncio.gather(*calls)


@pytest.mark.parametrize("rate", [50, 100, 400])
async def test_g8_an_outage_is_not_made_worse_by_second_tries(rate: int) -> None:
    """A backend of which half of the calls fail, then all: at most 1.12 times as many calls as requests."""
    chance, share = random.Random(7), [0.5]
    model = Model(fails=lambda: chance.random() < share[0])
    served = behind_layers("m", [model], BackendSettings(breaker=False))  # which would only help
    asked, answered = 0, 0

    async def ask() -> None:
        nonlocal asked, answered
        asked += 1
        try:
            await served.backend(ones(), deadline_after(0.2))
            answered += 1
        except BackendError:
            return

    await open_loop(ask, rate, 10)
    share[0] = 1.0
    await open_loop(ask, rate, 10)
    assert len(model.begun) / asked <= 1.12
    print(f"{rate} a second: {len(model.begun) / asked:.3f} calls a request, {answered / asked:.3f} answered")
    assert served.statistics.retries == len(model.begun) - asked > 0
    assert answered > 0.24 * asked


async def test_g8_in_an_ensemble_with_a_quorum_without_it_there_are_none_at_all() -> None:
    chance = random.Random(7)
    failing = Model(fails=lambda: chance.random() < 0.5)
    vote = Vote({"a": failing, "b": Model(), "c": Model()}, settings=BackendSettings(breaker=False))
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        await vote.ensemble(ones(), deadline_after(0.2))

    await open_loop(ask, 100, 10)
    assert len(failing.begun) == asked


@pytest.mark.parametrize("p99", [0.01, 0.04])
async def test_g9_a_hedge_cuts_the_tail_for_two_calls_in_a_hundred(p99: float) -> None:
    """Two replicas, of which one call in a hundred stalls for 10 times the 99th percentile."""

    async def measure(*, hedge: bool) -> tuple[float, float]:
        """The 99.9th percentile, and the calls for each request, once it is known how long they take."""
        chance = random.Random(7)

        def takes() -> float:
            usual = min(chance.lognormvariate(0, 0.4) / 2.54, 1.0) * p99  # whose own 99th percentile is p99
            return 10 * p99 if chance.random() < 0.01 else usual

        models = [Model(takes), Model(takes)]
        served = behind_layers("m", models, BackendSettings(hedge=hedge, limit=64))
        took: list[float] = []

        async def ask() -> None:
            began = now()
            await served.backend(ones(), deadline_after(5))
            took.append(now() - began)

        await open_loop(ask, 200, 5)
        took.clear()
        before = sum(len(model.begun) for model in models)
        await open_loop(ask, 200, 100)
        calls = sum(len(model.begun) for model in models) - before
        return sorted(took)[int(0.999 * len(took))], calls / len(took)

    plain, _ = await measure(hedge=False)
    hedged, calls = await measure(hedge=True)
    print(f"p99 {p99 * 1e3:g} ms: p99.9 {plain * 1e3:.1f} -> {hedged * 1e3:.1f} ms, {calls:.4f} calls a request")
    assert plain / hedged >= 5
    assert calls <= 1.02


async def test_g9_without_a_tail_there_are_hardly_any_hedges() -> None:
    models = [Model(), Model()]
    served = behind_layers("m", models, BackendSettings(hedge=True, limit=64))

    async def ask() -> None:
        await served.backend(ones(), deadline_after(5))

    await open_loop(ask, 200, 20)
    assert served.statistics.hedges == 0


async def test_g10_a_backend_that_goes_and_comes_is_probed_by_one_call_and_soon_back() -> None:
    """Down for 5 s, up for 5 s, ten times; asked 100 times a second, as one of five."""
    flapping = Model(takes=lambda: USUAL if int(now() // 5) % 2 else 10.0)
    vote = Vote({"a": flapping, **{name: Model() for name in "bcde"}})
    circuit = vote.circuit("a")
    back: list[float] = []

    async def ask() -> None:
        response = await vote.ensemble(ones(), deadline_after(0.2))
        if reasons(response)["a"] == "ok":
            back.append(now())

    for model in vote.served.values():  # all are known to take as long as they do
        for _ in range(100):
            assert model.vitals is not None
            model.vitals.latency.add(1, USUAL)
    await open_loop(ask, 100, 100)
    longest = 0.0
    for up in range(5, 100, 10):
        longest = max(longest, min(moment for moment in back if moment >= up) - up)
    print(f"back after {longest:.2f} s at most, {circuit.opens} times open, {circuit.probes} probes")
    waits = [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]  # what can have passed while it was down
    assert longest <= max(waits) * (1 + JITTER) + 1
    assert circuit.panics == 0
    down = [moment for moment in flapping.begun if not int(moment // 5) % 2]
    assert len(down) <= 10 * (0.2 * 100 + 5 + 5)  # those under way until the first are late, and probes


async def test_g1_while_one_of_five_hangs_nobody_waits_for_it_but_the_first() -> None:
    hangs = [False]
    hanging = Model(takes=lambda: 100.0 if hangs[0] else USUAL)
    vote = Vote({"a": hanging, **{name: Model() for name in "bcde"}})
    took: list[float] = []

    async def ask() -> None:
        began = now()
        await vote.ensemble(ones(), deadline_after(0.2))
        took.append(now() - began)

    await open_loop(ask, 100, 2)
    hangs[0] = True
    took.clear()
    await open_loop(ask, 100, 60)
    slow = sum(one > 2 * USUAL for one in took)
    print(f"{slow} of {len(took)} waited, {len(hanging.begun) - 200} calls to the one that hangs")
    assert slow <= 0.2 * 100 + 5  # what is under way when the fifth is late
    assert 5 <= vote.circuit("a").probes <= 8  # in 1, 2, 4, ... seconds; each found out that it still hangs
    assert len(hanging.begun) - 200 <= 0.2 * 100 + 5 + 8
    assert sorted(took)[len(took) // 2] == pytest.approx(USUAL)
    assert max(took) <= 0.2


async def test_g2_of_two_that_die_each_hears_of_a_few_calls_and_everyone_is_answered() -> None:
    dead = [False]
    models = {name: Model(fails=lambda: dead[0]) if name in "ab" else Model() for name in "abcde"}
    vote = Vote(models)
    answered = 0

    async def ask() -> None:
        nonlocal answered
        response = await vote.ensemble(ones(), deadline_after(0.2))
        answered += response.report.answered >= 3

    await open_loop(ask, 100, 2)
    dead[0] = True
    before = len(models["a"].begun)
    await open_loop(ask, 100, 60)
    print(f"{len(models['a'].begun) - before} calls to a dead one")
    assert answered == 6200
    assert len(models["a"].begun) - before <= 5 + 8

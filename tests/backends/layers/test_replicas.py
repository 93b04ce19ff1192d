import asyncio
import random
from collections.abc import Sequence

import pytest

from backends.circuit import FAILURES, FIRST_WAIT, Circuit
from backends.layers.breaker import Breaker
from backends.layers.gate import Gate
from backends.layers.replicas import Replicas
from backends.replica import Replica
from backends.served import State
from models.deadline import deadline_after
from models.errors import (
    Away,
    BackendError,
    BreakerOpen,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    Overloaded,
    RateLimited,
    ServerFault,
    SignatureMismatch,
    Unverified,
)
from tests.fakes import Fake, now, ones, settle, sure
from tests.layered import behind_layers

DEAD = [
    RateLimited("full"),
    Overloaded("it asked to be left alone"),
    ConnectFailed("refused"),
    BreakerOpen("open"),
    SignatureMismatch("other"),
    Unverified("not read"),
    Away("starting"),
]


def replicas(fakes: Sequence[Fake], seed: int = 7) -> Replicas:
    return Replicas(
        [Replica(str(at), fake) for at, fake in enumerate(fakes)], chance=random.Random(seed).random, clock=now
    )


async def test_all_of_them_are_asked() -> None:
    fakes = [Fake(sure(1)) for _ in range(3)]
    together = replicas(fakes)
    for _ in range(600):
        await together(ones(), deadline_after(1))
    assert all(150 < len(fake.calls) < 250 for fake in fakes)


async def test_the_less_busy_of_two_is_asked() -> None:
    busy, idle = Fake(sure(1), delay=9), Fake(sure(1))
    together = replicas([busy, idle])
    together.replicas[0].in_flight = 3
    for _ in range(20):
        await together(ones(), deadline_after(1))
    assert (len(busy.calls), len(idle.calls)) == (0, 20)


async def test_two_choices_keep_the_busiest_close_to_the_others() -> None:
    """300 calls at once on 10 replicas: one choice at random would leave one with about 45, two with about 32."""
    fakes = [Fake(sure(1), delay=1) for _ in range(10)]
    together = replicas(fakes)
    calls = [asyncio.create_task(together(ones(), deadline_after(5))) for _ in range(300)]
    await settle()
    assert max(one.in_flight for one in together.replicas) <= 33
    await asyncio.gather(*calls)
    assert [one.in_flight for one in together.replicas] == [0] * 10


async def test_one_that_fails_quickly_does_not_seem_idle() -> None:
    """A black hole: who fails at once has nothing under way, and would be asked by everyone."""
    fake = Fake(ServerFault("500"))
    together = replicas([fake, Fake(sure(1), delay=0.1)])
    hole, good = together.replicas

    async def call() -> None:
        try:
            await together(ones(), deadline_after(1))
            good.circuit.succeed(now(), now())
        except ServerFault:
            hole.circuit.fail(now(), now(), spare=lambda: False)

    for tick in range(200):
        task = asyncio.create_task(call())
        await asyncio.sleep(0.05)
        if tick == 199:
            await asyncio.wait([task])
    assert 5 < len(fake.calls) < 20  # of 200 in 10 s: it is tried again, now and then


@pytest.mark.parametrize("error", DEAD, ids=lambda error: error.reason)
async def test_one_that_cannot_be_asked_is_passed_over(error: BackendError) -> None:
    good = Fake(sure(1))
    together = replicas([Fake(error), good])
    for _ in range(9):
        assert await together(ones(), deadline_after(1))
    assert len(good.calls) == 9


async def test_one_that_is_known_to_be_away_is_not_even_asked() -> None:
    away, open_, good = Fake(sure(1)), Fake(sure(1)), Fake(sure(1))
    together = replicas([away, open_, good])
    together.replicas[0].state.phase = "away"
    for _ in range(FAILURES):
        together.replicas[1].circuit.fail(0, 0, spare=lambda: True)
    for _ in range(20):
        await together(ones(), deadline_after(1))
    assert (len(away.calls), len(open_.calls), len(good.calls)) == (0, 0, 20)


async def test_one_whose_breaker_wants_a_probe_gets_a_copy_of_the_next_call() -> None:
    fakes = [Fake(sure(1)), Fake(sure(1))]
    circuit = Circuit(chance=lambda: 0.0)
    first = Replica("0", Breaker(fakes[0], circuit=circuit, state=State(), clock=now), circuit=circuit)
    together = Replicas([first, Replica("1", fakes[1])], clock=now)
    for _ in range(FAILURES):
        circuit.fail(0, 0, spare=lambda: True)
    await together(ones(), deadline_after(1))
    assert (len(fakes[0].calls), len(fakes[1].calls)) == (0, 1)
    await asyncio.sleep(1)
    await together(ones(), deadline_after(1))
    await settle()
    assert (len(fakes[0].calls), len(fakes[1].calls)) == (1, 2)


async def test_a_probe_that_hangs_keeps_nobody_waiting_and_is_judged_at_the_deadline() -> None:
    served = behind_layers("m", [Fake(sure(1), delay=100), Fake(sure(1), delay=0.1)])
    hanging = served.replicas[0]
    for _ in range(FAILURES):
        hanging.circuit.fail(0, 0, spare=lambda: True)
    await asyncio.sleep(FIRST_WAIT)
    for _ in range(3):
        await served.backend(ones(), deadline_after(2))
    assert now() == pytest.approx(FIRST_WAIT + 0.3)
    assert (hanging.circuit.probes, hanging.circuit.opens, hanging.in_flight) == (1, 1, 1)
    await asyncio.sleep(2)
    assert (hanging.circuit.opens, hanging.in_flight) == (2, 0)


async def test_a_probe_that_is_answered_brings_it_back() -> None:
    served = behind_layers("m", [Fake(sure(1), delay=0.2), Fake(sure(1), delay=0.1)])
    circuit = served.replicas[0].circuit
    for _ in range(FAILURES):
        circuit.fail(0, 0, spare=lambda: True)
    await asyncio.sleep(FIRST_WAIT)
    await served.backend(ones(), deadline_after(2))
    await asyncio.sleep(0.1)
    assert circuit.closed


def with_a_probe_due(bad: Fake, good: Fake, *, idempotent: bool = True, free: bool = True) -> Replicas:
    """Two, of which the first has failed, and is to be tried again now."""
    circuit = Circuit(chance=lambda: 0.0)
    first = Replica("0", Breaker(bad, circuit=circuit, state=State(), clock=now), circuit=circuit)
    circuit.reset(-1.0)
    for _ in range(FAILURES):
        circuit.fail(-1, -1, spare=lambda: True)
    return Replicas([first, Replica("1", good)], idempotent=idempotent, free=free, clock=now)


@pytest.mark.parametrize("free", [True, False])
async def test_a_probe_that_fails_costs_nobody_an_answer(free: bool) -> None:
    bad, good = Fake(ServerFault("500")), Fake(sure(1))
    assert await with_a_probe_due(bad, good, free=free)(ones(), deadline_after(1))
    await settle()
    assert (len(bad.calls), len(good.calls)) == (1, 1)


async def test_where_calls_cost_something_a_probe_is_no_call_more() -> None:
    probed, good = Fake(sure(1)), Fake(sure(1))
    await with_a_probe_due(probed, good, free=False)(ones(), deadline_after(1))
    await settle()
    assert (len(probed.calls), len(good.calls)) == (1, 0)


async def test_unless_it_may_not_be_asked_twice() -> None:
    bad, good = Fake(ServerFault("500")), Fake(sure(1))
    with pytest.raises(ServerFault):
        await with_a_probe_due(bad, good, idempotent=False)(ones(), deadline_after(1))
    assert not good.calls


async def test_a_call_that_is_a_probe_and_late_is_late() -> None:
    bad, good = Fake(DeadlineExceeded("late")), Fake(sure(1))
    with pytest.raises(DeadlineExceeded):
        await with_a_probe_due(bad, good, free=False)(ones(), deadline_after(1))
    assert not good.calls


async def test_the_next_one_gets_the_same_deadline() -> None:
    good = Fake(sure(1))
    deadline = deadline_after(1)
    together = replicas([Fake(ConnectFailed("refused"), delay=0.4), good])
    together.replicas[1].in_flight = 1
    await together(ones(), deadline)
    assert (now(), good.calls[0][1]) == (0.4, deadline)


@pytest.mark.parametrize("error", [ServerFault("500"), ConnectionLost("reset"), DeadlineExceeded("late")])
async def test_a_call_that_began_is_not_begun_again(error: BackendError) -> None:
    good = Fake(sure(1))
    together = replicas([Fake(error), good])
    together.replicas[1].in_flight = 1
    with pytest.raises(type(error)):
        await together(ones(), deadline_after(1))
    assert not good.calls


@pytest.mark.parametrize("seed", range(8))
async def test_when_all_are_passed_over_the_error_does_not_depend_on_chance(seed: int) -> None:
    fakes = [Fake(error) for error in DEAD]
    with pytest.raises(RateLimited):
        await replicas(fakes, seed)(ones(), deadline_after(1))
    assert [len(fake.calls) for fake in fakes] == [1] * len(DEAD)


async def test_when_all_are_away_it_is_away() -> None:
    together = Replicas([Replica("0", Gate(Fake(sure(1)), state=State(phase="away")), State(phase="away"))])
    with pytest.raises(Away):
        await together(ones(), deadline_after(1))


async def test_cancelling_a_call_asks_nobody_else() -> None:
    fakes = [Fake(sure(1), delay=9), Fake(sure(1), delay=9)]
    together = replicas(fakes)
    task = asyncio.create_task(together(ones(), deadline_after(20)))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted((fake.cancelled, len(fake.calls)) for fake in fakes) == [(0, 0), (1, 1)]
    assert [one.in_flight for one in together.replicas] == [0, 0]


async def test_whoever_is_on_the_trail_is_not_asked_again() -> None:
    fakes = [Fake(sure(1)), Fake(sure(1))]
    together = replicas(fakes)
    trail = [together.replicas[0]]
    assert together.has_another(trail)
    await together(ones(), deadline_after(1), trail)
    assert (len(fakes[0].calls), len(fakes[1].calls)) == (0, 1)
    assert trail == list(together.replicas)
    assert not together.has_another(trail)


def test_there_must_be_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Replicas([])

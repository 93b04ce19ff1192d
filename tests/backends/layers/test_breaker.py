import asyncio
from collections.abc import Callable

import pytest

from backends.circuit import FAILURES, Circuit
from backends.latency import Latency
from backends.layers.attempt import Attempt
from backends.layers.breaker import ASKED_ANEW, Breaker
from backends.layers.timeout import Timeout
from backends.served import State
from backends.statistics import Statistics
from models.deadline import deadline_after
from models.errors import BackendError, BreakerOpen, InputRejected, ServerFault
from models.stopwatch import Stopwatch
from models.types import InferRequest, InferResponse
from tests.fakes import Fake, now, ones, settle, sure


class Address:
    """A fake behind a breaker, as an address is."""

    def __init__(self, fake: Fake, spare: Callable[[], bool] = lambda: True) -> None:
        self.fake = fake
        self.circuit = Circuit(chance=lambda: 0.0)
        self.state = State()
        attempt = Attempt(
            Timeout(fake, seconds=None),
            latency=Latency(),
            statistics=Statistics(),
            circuit=self.circuit,
            spare=spare,
            clock=now,
        )
        self.breaker = Breaker(attempt, circuit=self.circuit, state=self.state, spare=spare, clock=now)

    async def ask(self, seconds: float = 5.0) -> str:
        """`ok`, or the reason why not."""
        try:
            await self.breaker(ones(), deadline_after(seconds))
        except BackendError as error:
            return error.reason
        return "ok"

    async def broken(self) -> "Address":
        """Open since this moment."""
        self.fake.said, self.fake.delay = ServerFault("500"), 0
        for _ in range(FAILURES):
            assert await self.ask() == "http_5xx"
        self.fake.calls.clear()
        return self

    def mended(self) -> None:
        self.fake.said = sure(1)


async def test_a_closed_breaker_lets_calls_through() -> None:
    address = Address(Fake(sure(1)))
    assert [await address.ask() for _ in range(50)] == ["ok"] * 50


async def test_an_open_one_refuses_them_at_once() -> None:
    address = await Address(Fake(sure(1))).broken()
    assert [await address.ask() for _ in range(3)] == ["breaker_open"] * 3
    assert not address.fake.calls
    with pytest.raises(BreakerOpen, match="tried again in 1 s"):
        await address.breaker(ones(), deadline_after(1))


async def test_after_a_while_one_call_is_the_probe_and_its_answer_counts() -> None:
    address = await Address(Fake(sure(1))).broken()
    address.mended()
    await asyncio.sleep(1)
    assert address.circuit.phase(now()) == "half-open"
    assert [await address.ask() for _ in range(3)] == ["ok"] * 3
    assert address.circuit.closed


async def test_while_a_probe_is_under_way_others_are_refused() -> None:
    address = await Address(Fake(sure(1))).broken()
    address.mended()
    address.fake.delay = 0.5
    await asyncio.sleep(1)
    answers = await asyncio.gather(*(address.ask() for _ in range(20)))
    assert sorted(answers) == ["breaker_open"] * 19 + ["ok"]
    assert len(address.fake.calls) == 1


async def test_a_probe_that_fails_doubles_the_wait() -> None:
    address = await Address(Fake(sure(1))).broken()
    await asyncio.sleep(1)
    assert await address.ask() == "http_5xx"
    await asyncio.sleep(1.9)
    assert await address.ask() == "breaker_open"
    await asyncio.sleep(0.1)
    assert await address.ask() == "http_5xx"


async def test_a_probe_that_is_late_fails() -> None:
    address = await Address(Fake(sure(1))).broken()
    address.mended()
    address.fake.delay = 9
    await asyncio.sleep(1)
    assert await address.ask(1.5) == "timeout"
    assert address.circuit.opens == 2


@pytest.mark.parametrize("end", ["cancelled", "refused"])
async def test_a_probe_that_says_nothing_leaves_its_place_to_the_next_call(end: str) -> None:
    address = await Address(Fake(sure(1))).broken()
    await asyncio.sleep(1)
    if end == "refused":
        address.fake.said = InputRejected("400")
        assert await address.ask() == "input_rejected"
    else:
        address.fake.delay = 9
        probe = asyncio.create_task(address.ask())
        await settle()
        probe.cancel()
        await settle()
    assert address.circuit.phase(now()) == "half-open"
    address.fake.delay = 0
    address.mended()
    assert await address.ask() == "ok"
    assert address.circuit.closed


async def test_what_cannot_be_done_without_is_never_refused() -> None:
    address = Address(Fake(ServerFault("500")), spare=lambda: False)
    assert [await address.ask() for _ in range(50)] == ["http_5xx"] * 50
    assert (address.circuit.closed, address.circuit.panics) == (True, 46)


async def test_what_comes_to_be_missed_while_it_is_open_is_asked_again() -> None:
    others = {"there": True}
    address = await Address(Fake(sure(1)), spare=lambda: others["there"]).broken()
    address.mended()
    assert await address.ask() == "breaker_open"
    others["there"] = False
    await asyncio.sleep(ASKED_ANEW)
    assert await address.ask() == "ok"
    assert (address.circuit.closed, address.circuit.panics) == (True, 1)


async def test_a_process_that_was_started_anew_is_not_blamed_for_the_one_before() -> None:
    address = await Address(Fake(sure(1))).broken()
    address.mended()
    address.state.restarts += 1
    assert await address.ask() == "ok"
    assert address.circuit.closed


async def test_a_look_at_one_call_is_let_through() -> None:
    address = await Address(Fake(sure(1))).broken()
    address.mended()
    request = InferRequest(ones().inputs, stopwatch=Stopwatch())
    assert isinstance(await address.breaker(request, deadline_after(1)), InferResponse)
    assert not address.circuit.closed

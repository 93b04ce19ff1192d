"""On the tests' own clock, which asyncio-throttle is made to read, too."""

import asyncio
import math
from collections.abc import Callable
from types import SimpleNamespace

import asyncio_throttle.throttler
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.layers.throttle import POLL_SECONDS, Throttle
from models.deadline import Deadline, deadline_after
from models.errors import LateInQueue, RateLimited, ServerFault
from models.types import InferRequest, InferResponse
from tests.conftest import JumpingLoop
from tests.fakes import Fake, now, ones, settle, sure

EARLY = 1e-9  # rounding of the clock


@pytest.fixture(autouse=True)
def polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """asyncio-throttle reads the running loop's clock; when it did."""
    read: list[float] = []

    def monotonic() -> float:
        read.append(now())
        return now()

    monkeypatch.setattr(asyncio_throttle.throttler, "time", SimpleNamespace(monotonic=monotonic))
    return read


class Starts(Fake):
    """Notes when each call begins."""

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__(sure(1), delay=delay)
        self.times: list[float] = []

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        self.times.append(now())
        return await super().__call__(request, deadline)


def throttled(inner: Fake, rate: int = 2, period: float = 1.0, waiting: int = 5000, places: int = 5000) -> Throttle:
    return Throttle(
        inner, rate=rate, period=period, waiting=waiting, places=asyncio.Semaphore(places), clock=lambda: now()
    )


def call(throttle: Throttle, seconds: float = 1e6) -> "asyncio.Task[InferResponse]":
    return asyncio.get_running_loop().create_task(throttle(ones(), deadline_after(seconds)))


def most_in_any_window(times: list[float], period: float) -> int:
    """Windows hold both their ends, but for the rounding of the clock."""
    return max(sum(begin <= time <= begin + period - EARLY for time in times) for begin in times)


async def test_calls_within_the_rate_begin_at_once() -> None:
    inner = Starts()
    throttle = throttled(inner)
    await asyncio.gather(call(throttle), call(throttle))
    assert inner.times == [0, 0]


async def test_the_next_begins_when_the_first_is_a_period_ago_and_not_a_poll_later() -> None:
    inner = Starts()
    throttle = throttled(inner)
    await asyncio.gather(*(call(throttle) for _ in range(5)))
    assert inner.times[:2] == [0, 0]
    assert 1 < inner.times[2] == inner.times[3] <= 1 + 2 * POLL_SECONDS
    assert 2 < inner.times[4] <= 2 + 4 * POLL_SECONDS


async def test_a_start_that_is_exactly_a_period_ago_still_counts() -> None:
    inner = Starts()
    throttle = throttled(inner, rate=1)
    await throttle(ones(), deadline_after(9))
    await asyncio.sleep(1)
    assert now() == 1
    await throttle(ones(), deadline_after(9))
    assert inner.times[1] > 1


def run(scenario: Callable[[], "asyncio.Future[None]"]) -> None:
    loop = JumpingLoop()
    try:
        loop.run_until_complete(scenario())
    finally:
        loop.close()


@settings(max_examples=60)
@given(
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.1, 0.25, 0.5, 1.0, 1.75]), min_size=1, max_size=30),
    patience=st.lists(st.sampled_from([0.05, 0.5, 1.0, 2.5, 100.0]), min_size=30, max_size=30),
    leaving=st.lists(st.none() | st.sampled_from([0.0, 0.2, 1.0, 1.3]), min_size=30, max_size=30),
    rate=st.integers(1, 4),
    period=st.sampled_from([0.3, 1.0, 2.0]),
)
def test_no_window_has_more_starts_than_the_rate_whoever_comes_leaves_or_is_refused(
    gaps: list[float], patience: list[float], leaving: list[float | None], rate: int, period: float
) -> None:
    async def scenario() -> None:
        inner = Starts(delay=0.1)
        throttle = throttled(inner, rate, period)
        tasks = []
        for gap, seconds, leave in zip(gaps, patience, leaving, strict=False):
            await asyncio.sleep(gap)
            tasks.append(call(throttle, seconds))
            if leave is not None:
                asyncio.get_running_loop().call_later(leave, tasks[-1].cancel)
        await asyncio.wait(tasks)
        if inner.times:
            assert most_in_any_window(inner.times, period) <= rate
        for task in tasks:
            if not task.cancelled() and (error := task.exception()):
                assert isinstance(error, RateLimited | LateInQueue)

    run(scenario)  # type: ignore[arg-type]  # a coroutine function


@settings(max_examples=60)
@given(
    gaps=st.lists(st.sampled_from([0.0, 0.0, 0.05, 0.3, 1.0]), min_size=1, max_size=30),
    rate=st.integers(1, 4),
)
def test_no_start_is_given_away(gaps: list[float], rate: int) -> None:
    """Each call begins as soon as an exact window allows, a few polls later at most, and in order."""

    async def scenario() -> None:
        inner = Starts()
        throttle = throttled(inner, rate)
        arrivals, tasks = [], []
        for gap in gaps:
            await asyncio.sleep(gap)
            arrivals.append(now())
            tasks.append(call(throttle))
        await asyncio.gather(*tasks)
        best: list[float] = []
        for arrived in arrivals:
            due = best[-rate] + 1 if len(best) >= rate else -math.inf
            best.append(max(arrived, due, best[-1] if best else 0))
        late = [time - ideal for time, ideal in zip(inner.times, best, strict=True)]
        assert min(late) >= -EARLY
        assert max(late) <= 2 * POLL_SECONDS * (1 + len(gaps) // rate)

    run(scenario)  # type: ignore[arg-type]  # a coroutine function


async def test_who_could_begin_only_after_the_deadline_is_refused_at_once() -> None:
    inner = Starts()
    throttle = throttled(inner, rate=2)
    waiting = [call(throttle) for _ in range(5)]  # two now, two at 1, one at 2
    await settle()
    with pytest.raises(RateLimited, match="its turn would come in 2 s"):
        await throttle(ones(), deadline_after(2))
    assert now() == 0
    accepted = call(throttle, 2.01)
    await asyncio.gather(*waiting, accepted)
    assert 2 < inner.times[5] < 2.01


@pytest.mark.parametrize("ahead", range(7))
async def test_the_prediction_is_exact_for_every_place_in_the_line(ahead: int) -> None:
    """With starts at 0 and 0.4, those in line begin at 1, 1.4, 2, 2.4, ..."""
    inner = Starts()
    throttle = throttled(inner, rate=2)
    await throttle(ones(), deadline_after(9))
    await asyncio.sleep(0.4)
    await throttle(ones(), deadline_after(9))
    line = [call(throttle) for _ in range(ahead)]
    await settle()
    due = 1 + ahead // 2 + (0.4 if ahead % 2 else 0)
    with pytest.raises(RateLimited):
        await throttle(ones(), Deadline(due - 1e-6))
    last = call(throttle, due - now() + 0.02)
    await asyncio.gather(*line, last)
    assert due < inner.times[-1] < due + 0.02


async def test_a_deadline_that_an_idle_throttle_can_meet_is_no_reason_to_refuse() -> None:
    inner = Starts()
    await throttled(inner)(ones(), deadline_after(0.0))
    assert inner.times == [0]


async def test_a_full_line_refuses_at_once() -> None:
    throttle = throttled(Starts(), rate=1, waiting=2)
    await throttle(ones(), deadline_after(9))
    waiting = [call(throttle), call(throttle)]
    await settle()
    with pytest.raises(RateLimited, match="2 calls wait already"):
        await throttle(ones(), deadline_after(99))
    assert now() == 0
    await asyncio.gather(*waiting)


async def test_the_line_is_first_come_first_served() -> None:
    inner = Fake(sure(1))
    throttle = throttled(inner, rate=1)
    deadlines = [deadline_after(100 - place) for place in range(5)]
    await asyncio.gather(*(throttle(ones(), deadline) for deadline in deadlines))
    assert [deadline for _, deadline in inner.calls] == deadlines


async def test_a_thousand_waiters_do_not_poll(polls: list[float]) -> None:
    inner = Starts()
    throttle = throttled(inner, rate=10, period=1)
    await asyncio.gather(*(call(throttle) for _ in range(1010)))
    assert 100 < now() < 101
    assert len(polls) < 4 * 1010  # asyncio-throttle alone: 1000 waiters, 100 times a second, over 100 seconds


async def test_a_long_period_is_not_polled_through(polls: list[float]) -> None:
    throttle = throttled(Starts(), rate=1, period=3600)
    await asyncio.gather(call(throttle), call(throttle))
    assert now() > 3600
    assert len(polls) < 10


async def test_cancelling_the_head_hands_the_line_on() -> None:
    inner = Starts()
    throttle = throttled(inner, rate=1)
    _, head, second = call(throttle), call(throttle), call(throttle)
    await settle()
    head.cancel()
    await second
    assert inner.times[0] == 0
    assert 1 < inner.times[1] <= 1 + 2 * POLL_SECONDS
    assert head.cancelled()


async def test_cancelling_one_in_the_line_moves_up_those_behind() -> None:
    inner = Starts()
    throttle = throttled(inner, rate=1)
    _, _, second, third = (call(throttle) for _ in range(4))
    await settle()
    second.cancel()
    await settle()
    assert call(throttle, 3.5)  # third in line now, not fourth
    await third
    assert 2 < now() < 2.1
    await asyncio.sleep(2)
    assert len(inner.times) == 4


async def test_a_call_that_is_cancelled_after_it_began_has_used_its_start() -> None:
    inner = Starts(delay=5)
    throttle = throttled(inner, rate=1)
    first = call(throttle)
    await settle()
    first.cancel()
    await settle()
    with pytest.raises(RateLimited):
        await throttle(ones(), deadline_after(0.5))


async def test_a_failure_has_used_its_start_and_comes_through() -> None:
    throttle = throttled(Fake(ServerFault("status 500")), rate=1)
    with pytest.raises(ServerFault):
        await throttle(ones(), deadline_after(5))
    with pytest.raises(RateLimited):
        await throttle(ones(), deadline_after(0.5))


async def test_a_start_is_not_used_up_while_there_is_no_place() -> None:
    """Else those that wait for a place would begin together, over the rate."""
    inner = Starts(delay=3)
    throttle = throttled(inner, rate=2, places=1)
    await asyncio.gather(*(call(throttle) for _ in range(3)))
    assert inner.times == [0, 3, 6]


async def test_those_that_waited_for_a_place_do_not_begin_together() -> None:
    inner = Starts(delay=100)
    throttle = throttled(inner, rate=1, places=2)
    tasks = [call(throttle) for _ in range(4)]
    await asyncio.sleep(3)
    assert len(inner.times) == 2
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.sleep(3)
    assert inner.times[2] == 3
    assert 4 < inner.times[3] < 4.01
    await asyncio.gather(*tasks[2:])


async def test_cancelling_the_head_while_it_asks_for_its_start_gives_its_place_back() -> None:
    inner = Starts()
    throttle = throttled(inner, rate=1, places=1)
    _, head = call(throttle), call(throttle)
    await asyncio.sleep(1 + POLL_SECONDS / 2)
    head.cancel()
    await throttle(ones(), deadline_after(9))
    assert 1 < now() < 1.1


async def test_a_deadline_ends_the_wait_for_a_place() -> None:
    throttle = throttled(Starts(delay=3), rate=2, places=1)
    first = call(throttle)
    await settle()
    with pytest.raises(LateInQueue):
        await throttle(ones(), deadline_after(1))
    assert now() == 1
    await first
    await throttle(ones(), deadline_after(9))
    assert now() == 6


@pytest.mark.parametrize("places", [1, 2])
async def test_every_place_is_given_back(places: int) -> None:
    throttle = throttled(Starts(delay=0.1), rate=1, places=places)
    under_way, head = call(throttle), call(throttle)
    await settle()
    under_way.cancel()
    head.cancel()
    await settle()
    await asyncio.gather(*(call(throttle) for _ in range(3)))
    assert 3 < now() < 3.2


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"period": 0}, {"period": math.nan}, {"period": math.inf}, {"waiting": 0}]
)
def test_options_are_checked(wrong: dict[str, float]) -> None:
    options = {"rate": 1, "period": 1.0, "waiting": 1, **wrong}
    with pytest.raises(ValueError, match="got"):
        Throttle(Fake(sure(1)), places=asyncio.Semaphore(), **options)  # type: ignore[arg-type]  # which is the point

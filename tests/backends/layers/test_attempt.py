"""What is counted where, line by line as in the table: success, breaker, latency."""

import asyncio
from collections.abc import Callable

import pytest

from backends.base import Backend
from backends.circuit import Circuit
from backends.latency import Latency
from backends.layers.attempt import Attempt
from backends.layers.timeout import Timeout
from backends.statistics import Statistics
from models.deadline import Deadline, deadline_after
from models.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    InputRejected,
    InvalidAnswer,
    InvalidRequest,
    LateInQueue,
    ModelFailed,
    RateLimited,
    RemoteOverloaded,
    ServerFault,
    SignatureMismatch,
    Starved,
)
from models.stopwatch import Stopwatch
from models.types import InferRequest, InferResponse
from tests.fakes import Fake, now, ones, settle, sure

USUAL = 0.1


class Noted(Latency):
    """Notes what it is told, too."""

    def __init__(self) -> None:
        super().__init__()
        self.timed: list[float] = []
        self.censored: list[float] = []

    def add(self, rows: int, seconds: float) -> None:
        super().add(rows, seconds)
        self.timed.append(seconds)

    def give_up(self, seconds: float) -> None:
        super().give_up(seconds)
        self.censored.append(seconds)


class Tried:
    """An attempt at a backend that usually takes 0.1 s, after `failures` in a row."""

    def __init__(
        self,
        inner: Backend,
        failures: int = 2,
        *,
        known: bool = True,
        spare: Callable[[], bool] = lambda: True,
    ) -> None:
        self.latency, self.statistics, self.circuit = Noted(), Statistics(), Circuit()
        for _ in range(50 if known else 0):
            self.latency.add(1, USUAL)
        self.latency.timed.clear()
        for _ in range(failures):
            self.circuit.fail(0, 0, spare=lambda: True)
        self.before = failures
        self.layer = Attempt(
            Timeout(inner, seconds=None),
            latency=self.latency,
            statistics=self.statistics,
            circuit=self.circuit,
            spare=spare,
            clock=now,
        )

    async def __call__(self, seconds: float = 1.0, request: InferRequest | None = None) -> BackendError | None:
        try:
            await self.layer(request or ones(), deadline_after(seconds))
        except BackendError as error:
            return error
        return None

    @property
    def blamed(self) -> int:
        """How many failures more; -2 for a success."""
        return self.circuit.in_a_row - self.before

    @property
    def told(self) -> tuple[list[float], list[float]]:
        """The durations that are known, and those of calls that were given up."""
        return self.latency.timed, self.latency.censored


async def test_an_answer_in_time_is_a_success_and_is_timed() -> None:
    tried = Tried(Fake(sure(1), delay=0.05))
    assert await tried() is None
    assert (tried.blamed, tried.statistics.tries) == (-2, 1)
    assert tried.told == ([0.05], [])


@pytest.mark.parametrize("error", [InvalidAnswer, SignatureMismatch])
async def test_a_wrong_answer_is_a_failure(error: Callable[[str], BackendError]) -> None:
    tried = Tried(Fake(error("no"), delay=0.05))
    assert isinstance(await tried(), BackendError)
    assert tried.blamed == 1


async def test_an_invalid_answer_is_timed() -> None:
    tried = Tried(Fake(InvalidAnswer("no"), delay=0.05))
    await tried()
    assert tried.told == ([0.05], [])


@pytest.mark.parametrize("error", [ServerFault, ConnectionLost, ConnectFailed, ModelFailed])
async def test_what_is_ill_is_a_failure_and_not_timed(error: Callable[[str], BackendError]) -> None:
    tried = Tried(Fake(error("no"), delay=0.05))
    await tried()
    assert tried.blamed == 1
    assert tried.told == ([], [])


@pytest.mark.parametrize("error", [RemoteOverloaded("429"), RateLimited("full")])
async def test_too_much_to_do_is_no_illness_and_not_timed(error: BackendError) -> None:
    tried = Tried(Fake(error, delay=0.05))
    await tried()
    assert tried.blamed == 0
    assert tried.told == ([], [])


async def test_input_that_is_refused_says_nothing_and_is_timed() -> None:
    tried = Tried(Fake(InputRejected("400"), delay=0.05))
    await tried()
    assert tried.blamed == 0
    assert tried.told == ([0.05], [])


async def test_no_answer_in_the_time_it_usually_takes_is_a_failure_and_censored() -> None:
    tried = Tried(Fake(sure(1), delay=9))
    error = await tried(USUAL * 1.2)
    assert type(error) is DeadlineExceeded
    assert tried.blamed == 1
    assert tried.told == ([], [USUAL * 1.2])


async def test_no_answer_in_less_is_starved_and_says_nothing() -> None:
    tried = Tried(Fake(sure(1), delay=9))
    error = await tried(USUAL / 2)
    assert type(error) is Starved
    assert (error.fate, error.reason) == ("late", "starved")
    assert tried.blamed == 0
    assert tried.told == ([], [USUAL / 2])


class OneByOne:
    """Answers after 0.1 s for each call before it and its own, as one thread does; it can stop."""

    def __init__(self) -> None:
        self._free = 0.0
        self.stopped = False

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        self._free = max(self._free, now()) + USUAL
        return await Fake(sure(1), delay=9 if self.stopped else self._free - now())(request, deadline)


async def test_one_that_waits_for_those_before_it_is_not_to_blame_for_being_late() -> None:
    tried = Tried(OneByOne(), failures=0)
    for _ in range(1000):
        tried.latency.add(1, USUAL)
    waiting = []
    for _ in range(20):  # one every 10 ms
        waiting.append(asyncio.create_task(tried(5 * USUAL)))
        await asyncio.sleep(USUAL / 10)
    errors = [await one for one in waiting]
    assert [type(error) for error in errors if error is not None] == [DeadlineExceeded] * 15
    assert tried.circuit.closed
    assert tried.circuit.in_a_row == 0


async def test_one_that_nobody_was_answered_before_is() -> None:
    tried = Tried(inner := OneByOne(), failures=0)
    assert await tried() is None
    inner.stopped = True
    for _ in range(5):
        assert await tried() is not None
    assert not tried.circuit.closed


async def test_nor_does_it_help_that_others_are_answered_which_came_after_it() -> None:
    """As of a server of which one process hangs: it is never blamed so often in a row, but too great a share."""
    tried = Tried(Fake(sure(1), delay=9), failures=0)
    lost = asyncio.create_task(tried())
    await asyncio.sleep(USUAL)
    tried.layer.inner = Fake(sure(1), delay=USUAL)
    assert await tried() is None
    assert await lost is not None
    assert tried.circuit.in_a_row == 0
    assert sum(tried.circuit._window._bad) == 1


async def test_a_tiny_deadline_never_opens_a_breaker() -> None:
    tried = Tried(Fake(sure(1), delay=USUAL))
    for _ in range(1000):
        assert type(await tried(0.005)) is Starved
    assert tried.circuit.closed
    assert await tried() is None


async def test_nor_before_anything_is_known() -> None:
    tried = Tried(Fake(sure(1), delay=0.3), failures=0, known=False)
    for _ in range(100):
        assert type(await tried(0.005)) is DeadlineExceeded
    assert tried.circuit.closed


async def test_who_never_answers_by_the_default_deadline_is_to_blame_even_before_anything_is_known() -> None:
    tried = Tried(Fake(sure(1), delay=9), failures=0, known=False)
    for _ in range(5):
        await tried(0.99)  # some of the second has gone before it is asked
    assert not tried.circuit.closed


async def test_a_remote_that_says_it_was_late_had_no_more_time_than_the_call() -> None:
    tried = Tried(Fake(DeadlineExceeded("504"), delay=USUAL / 2))
    assert type(await tried()) is Starved
    assert tried.blamed == 0


async def test_what_waited_in_a_queue_over_there_says_nothing() -> None:
    tried = Tried(Fake(LateInQueue("late"), delay=USUAL * 2))
    assert type(await tried()) is LateInQueue
    assert tried.blamed == 0


async def cancelled(tried: Tried, seconds: float, after: float) -> None:
    task = asyncio.create_task(tried(seconds))
    await asyncio.sleep(after)
    task.cancel()
    await settle()
    assert task.cancelled()


async def test_a_cancelled_call_counts_as_nothing_and_is_censored() -> None:
    tried = Tried(Fake(sure(1), delay=9))
    await cancelled(tried, 5, after=1)
    assert tried.blamed == 0
    assert tried.told == ([], [1])


async def test_a_call_that_is_cancelled_at_its_deadline_was_late() -> None:
    """An ensemble that has frozen its answer lets go of its members at the very moment of their deadline."""
    tried = Tried(Fake(sure(1), delay=9))
    await cancelled(tried, 1, after=0.9985)
    assert tried.blamed == 1


async def test_unless_that_was_too_soon() -> None:
    tried = Tried(Fake(sure(1), delay=9))
    await cancelled(tried, 0.05, after=0.0485)
    assert tried.blamed == 0


async def test_whether_it_is_spare_is_asked_of_whoever_holds_it() -> None:
    tried = Tried(Fake(ServerFault("500")), failures=0, spare=lambda: False)
    for _ in range(9):
        await tried()
    assert (tried.circuit.closed, tried.circuit.panics) == (True, 5)


async def test_a_look_at_one_call_is_counted_nowhere() -> None:
    tried = Tried(Fake(ServerFault("500")))
    request = InferRequest(ones().inputs, stopwatch=Stopwatch())
    for _ in range(9):
        await tried(request=request)
    assert (tried.blamed, tried.statistics.tries, tried.told) == (0, 0, ([], []))


async def test_a_callers_mistake_and_a_bug_say_nothing() -> None:
    for error in (InvalidRequest("no"), ZeroDivisionError()):
        tried = Tried(Fake(error))
        with pytest.raises(type(error)):
            await tried()
        assert (tried.blamed, tried.told) == (0, ([], []))


async def test_it_works_without_a_breaker() -> None:
    statistics = Statistics()
    attempt = Attempt(Fake(ServerFault("500")), latency=Latency(), statistics=statistics, clock=now)
    with pytest.raises(ServerFault):
        await attempt(ones(), deadline_after(1))
    assert statistics.tries == 1

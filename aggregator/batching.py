"""Requests that ask the same members share fan-outs; each keeps its own deadline, quorum, early answer and fate."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from aggregator.fanout import Caller, Fanout, Heard, result_of
from aggregator.tally import Frozen, Quorum
from backends.cost import Cost, rows_in_time
from backends.doubt import Doubt, Inquiry, may_be_the_input
from backends.gathering import Gathering
from models.deadline import Deadline
from models.errors import DeadlineExceeded, LateInQueue
from models.types import InferRequest, joined

Make = Callable[[InferRequest, Deadline, Heard, Callable[[], None]], Fanout]


class Rider:
    """One request to an ensemble, from when it comes to when its answer leaves, at `deadline` at the latest."""

    __slots__ = ("_caller", "alone", "answer", "deadline", "early", "fanout", "inquiry", "quorum", "request", "rows")

    def __init__(
        self,
        request: InferRequest,
        deadline: Deadline,
        quorum: Quorum,
        early: bool,
        answer: asyncio.Future[Frozen],
    ) -> None:
        self.request = request
        self.rows = request.rows
        self.deadline = deadline
        self.quorum = quorum
        self.early = early
        self.answer = answer
        self.alone = False
        self.fanout: Fanout | None = None
        self.inquiry: tuple[int, Inquiry] | None = None  # about which member
        self._caller: Caller | None = None

    def board(self, fanout: Fanout, rows: slice) -> None:
        """Wait for what `fanout` says of `rows`."""
        self.fanout = fanout
        self._caller = Caller(rows, self.quorum, self.early, self.answer)
        fanout.board(self._caller)

    def leave(self) -> None:
        """Wait no longer."""
        if self.fanout is not None and self._caller is not None:
            self.fanout.leave(self._caller)
            self._caller = None

    def expire(self) -> None:
        """The deadline has come."""
        if self.fanout is not None and self._caller is not None:
            self.fanout.expire(self._caller)
        elif not self.answer.done():
            self.answer.set_exception(LateInQueue("the deadline came before its batch left"))


class Batches:
    """The requests for `members` members: each batch of them becomes one fan-out, which `make` makes.

    A batch has at most `max_rows` rows, and no more than each member can answer in half of the time that its riders
    have. If a member fails a batch in a way that an input can cause, its riders are asked once more, singly.
    """

    def __init__(
        self, make: Make, members: int, *, max_rows: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if max_rows < 1:
            raise ValueError(f"max_rows must be positive, got {max_rows}")
        self.gathering: Gathering[Rider] = Gathering(self._depart, self._room, clock=clock)
        self._make = make
        self._max_rows = max_rows
        self._clock = clock
        self._costs = [Cost() for _ in range(members)]
        self._doubts = [Doubt() for _ in range(members)]

    def join(self, rider: Rider) -> None:
        """Leave with the next batch."""
        self.gathering.join(rider)

    def leave(self, rider: Rider) -> None:
        """`rider` has its answer, or does not want it any more."""
        if rider.fanout is None:
            self.gathering.withdraw(rider)
        rider.leave()
        if rider.inquiry is not None:
            index, inquiry = rider.inquiry
            said = result_of(rider.answer)
            inquiry.hear(self._clock(), helped=said is not None and said.voices[index].fate == "ok")

    def _room(self, riders: Sequence[Rider]) -> int:
        now = asyncio.get_running_loop().time()
        return rows_in_time(self._costs, [(one.rows, one.deadline - now) for one in riders], self._max_rows)

    def _depart(self, riders: list[Rider], number: int) -> None:
        request = joined([rider.request for rider in riders])
        deadline = max(rider.deadline for rider in riders)
        heard = partial(self._heard, riders, request.rows)
        fanout = self._make(request, deadline, heard, partial(self.gathering.back, number))
        first = 0
        for rider in riders:
            rider.board(fanout, slice(first, first + rider.rows))
            first += rider.rows
        fanout.start()

    def _heard(
        self, riders: Sequence[Rider], rows: int, index: int, seconds: float, error: BaseException | None
    ) -> None:
        if error is None or isinstance(error, DeadlineExceeded):  # it takes so long at least
            self._costs[index].learn(rows, seconds)
        elif len(riders) > 1 and may_be_the_input(error) and self._doubts[index].worth_asking(self._clock()):
            self._ask_singly([rider for rider in riders if not rider.answer.done()], index)

    def _ask_singly(self, riders: Sequence[Rider], index: int) -> None:
        inquiry = Inquiry(self._doubts[index], len(riders))
        for rider in riders:
            rider.leave()
            rider.fanout, rider.alone, rider.inquiry = None, True, (index, inquiry)
        self.gathering.rejoin(riders)

"""Requests that ask the same members share fan-outs; each keeps its own deadline, quorum, early answer and fate."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aggregator.fanout import Caller, Fanout, Heard
from aggregator.tally import Frozen, Quorum
from backends.batching import Batching
from backends.cost import Cost
from backends.doubt import Doubt, may_be_the_input
from backends.gathering import UNDER_WAY, Gathering
from backends.room import Room
from models.deadline import Deadline
from models.errors import DeadlineExceeded, LateInQueue
from models.types import InferRequest, joined

NOT_GATHERED = 0  # the number of a batch that nobody waits for

Make = Callable[[InferRequest, Deadline, Heard, Callable[[], None]], Fanout]


class Rider:
    """One request to an ensemble, from when it comes to when its answer leaves, at `deadline` at the latest.

    `doubt`: about a member that failed the batch that it was in before; it goes alone now, while that may help.
    """

    __slots__ = ("_caller", "answer", "deadline", "doubt", "early", "fanout", "quorum", "request", "rows")

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
        self.fanout: Fanout | None = None
        self.doubt: Doubt | None = None
        self._caller: Caller | None = None

    @property
    def alone(self) -> bool:
        """Whether it should leave with nobody else."""
        return self.doubt is not None and not self.doubt.is_over

    def board(self, fanout: Fanout, rows: slice) -> None:
        """Wait for what `fanout` says of `rows`."""
        self.fanout = fanout
        self._caller = Caller(rows, self.quorum, self.early, self.answer)
        fanout.board(self._caller)

    def leave(self) -> None:
        """Wait no longer."""
        if self.fanout is not None and self._caller is not None:
            self.fanout.leave(self._caller)
            self.fanout = self._caller = None  # the batch refers to its riders

    def expire(self) -> None:
        """The deadline has come."""
        if self.fanout is not None and self._caller is not None:
            self.fanout.expire(self._caller)
        elif not self.answer.done():
            self.answer.set_exception(LateInQueue("the deadline came before its batch left"))


@dataclass(slots=True, eq=False)
class Trip:
    """A batch under way: who is in it, and how many members have answered."""

    riders: Sequence[Rider]
    rows: int
    number: int
    answered: int = 0


class Insight:
    """What is known of a member that is asked about several requests at once."""

    __slots__ = ("cost", "doubt")

    def __init__(self, cost: Cost) -> None:
        self.cost = cost
        self.doubt = Doubt()


class Batches:
    """The requests for some members: each batch of them becomes one fan-out, which `make` makes.

    A batch has no more rows than each member can answer in half of the time that its riders have. If a member fails a
    batch in a way that an input can cause, its riders are asked once more, singly, as far as they have the time. The
    next batch does not wait for long for members that take longer than `enough` of them do.
    """

    def __init__(
        self,
        make: Make,
        insights: Sequence[Insight],
        enough: int,
        batching: Batching,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._make = make
        self._insights = insights
        self._enough = enough
        self._batching = batching
        self._clock = clock
        self._gathering: Gathering[Rider] = Gathering(self._depart, self._room, batching=batching, clock=clock)

    def join(self, rider: Rider) -> None:
        """Leave with the next batch; at once, if it fills one by itself.

        Raises:
            Overloaded: too many wait already.
        """
        if rider.rows < self._batching.max_rows:
            self._gathering.join(rider)
        else:
            self._batching.rows.add(rider.rows)
            self._start([rider], NOT_GATHERED)

    def leave(self, rider: Rider) -> None:
        """`rider` has its answer, or does not want it any more."""
        self._gathering.withdraw(rider)
        rider.leave()

    def _room(self) -> Callable[[Rider], int]:
        room = Room([insight.cost for insight in self._insights], self._batching.max_rows)
        now = asyncio.get_running_loop().time()
        return lambda rider: room.rows(rider.rows, rider.deadline - now)

    def _depart(self, riders: list[Rider], number: int) -> None:
        try:
            self._start(riders, number)
        except Exception as error:  # a bug, which riders must not wait for
            for rider in riders:
                if not rider.answer.done():
                    rider.answer.set_exception(error)
            self._gathering.back(number)

    def _start(self, riders: list[Rider], number: int) -> None:
        request = joined([rider.request for rider in riders])
        deadline = max(rider.deadline for rider in riders)
        heard = partial(self._heard, Trip(riders, request.rows, number))
        fanout = self._make(request, deadline, heard, partial(self._gathering.back, number))
        first = 0
        for rider in riders:
            rider.board(fanout, slice(first, first + rider.rows))
            first += rider.rows
        fanout.start()

    def _heard(self, trip: Trip, index: int, seconds: float, error: BaseException | None) -> None:
        insight = self._insights[index]
        if error is None:
            insight.cost.learn(trip.rows, seconds)
            insight.doubt.answered()
            trip.answered += 1
            if trip.answered == self._enough:
                self._gathering.nearly_back(trip.number)
        elif isinstance(error, DeadlineExceeded):
            insight.cost.late(trip.rows, seconds)
        elif may_be_the_input(error):
            self._doubt(trip, insight.doubt, seconds)

    def _doubt(self, trip: Trip, doubt: Doubt, seconds: float) -> None:
        """A member failed after `seconds`, and it may have been for the input of one rider."""
        if len(trip.riders) > 1:
            self._ask_singly(self._with_time(trip.riders, seconds), doubt)
        elif trip.riders[0].doubt is doubt:
            doubt.failed(self._clock())

    def _with_time(self, riders: Sequence[Rider], seconds: float) -> list[Rider]:
        """Those of `riders` who can wait for their turn and `seconds` more; others had better take what there is."""
        now = asyncio.get_running_loop().time()
        left = [rider for rider in riders if not rider.answer.done() and rider.doubt is None]
        return [rider for at, rider in enumerate(left) if rider.deadline - now > seconds * (1 + at // UNDER_WAY)]

    def _ask_singly(self, riders: list[Rider], doubt: Doubt) -> None:
        again = riders[: doubt.worth_asking(self._clock(), len(riders))]
        for rider in again:
            rider.leave()
            rider.doubt = doubt
        self._gathering.rejoin(again)


class Sharing:
    """What the batches of one ensemble have in common, whichever of the members called `names` they ask."""

    def __init__(
        self, names: Sequence[str], batching: Batching, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._batching = batching
        self._insights = {name: Insight(batching.cost(name)) for name in names}
        self._clock = clock

    def batches(self, make: Make, names: Sequence[str], enough: int) -> Batches:
        """The batches of those requests that ask the members called `names`."""
        insights = [self._insights[name] for name in names]
        return Batches(make, insights, enough, self._batching, clock=self._clock)

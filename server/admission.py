"""Whether a request may be worked on now, waits a little, or is refused: before its body is read, if that can be told.

Each name that is asked has a bound of its own, for what is too much for one says nothing of another, and a short line
before it. While requests are refused the newest is served first, and nobody waits for long (as in Maurer, "Fail at
Scale", 2015): who has to be refused had better know at once.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType

from aiohttp import web

from aggregator.brown_out import BrownOut
from models.deadline import Deadline
from models.errors import BackendError, Overloaded
from server.capacity import Capacity
from server.lag import Lag
from server.memory import Memory

LINE = 0.25  # of the time that it has, a request may wait: in the line, and for the event loop before
CALM_SECONDS = 1.0  # without a refusal, before it is first come, first served again;
SHORT_SECONDS = 0.005  # until then nobody waits for longer: a line that does not get shorter only makes all late
LONG = 0.5  # of the line that there may be: members are left out before it is full
NO_ROOM = ("shed", "overloaded")  # reasons of members that say so


class Refused(Overloaded):
    """Told at the door, before any of its work was done; `code` is the word for it in the metrics."""

    def __init__(self, message: str, code: str, recovery: float) -> None:
        super().__init__(message)
        self.code = code
        self.recovery = recovery


class Lane:
    """The requests for one name: those under way and those in line, and what is counted of them."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.under_way = 0
        self.line: deque[asyncio.Future[None]] = deque()
        self.waited = 0
        self.refused: Counter[str] = Counter()
        self.refused_at = float("-inf")
        self.refusing_since = 0.0

    @property
    def has_room(self) -> bool:
        """Whether the next one need not wait."""
        return self.under_way < self.capacity.room and not self.line

    @property
    def longest_line(self) -> int:
        """How many may wait."""
        return max(1, self.capacity.room // 2)

    def is_refusing(self, now: float) -> bool:
        """Whether anyone was refused of late."""
        return now < self.refused_at + CALM_SECONDS


class Place:
    """One request's place, to be entered as a context: waits for it, and gives it back.

    The request `had` so many seconds until its `deadline` when it came, and waited `in_vain` so many for members that
    were late all the same. These do not count: that others were in time shows that there was no more to do than can be.
    """

    __slots__ = ("_admission", "_began", "_beside", "_lane", "deadline", "had", "in_vain")

    def __init__(self, admission: "Admission", lane: Lane, deadline: Deadline, had: float) -> None:
        self._admission = admission
        self._lane = lane
        self.deadline = deadline
        self.had = had
        self.in_vain = 0.0
        self._began = 0.0
        self._beside = 0

    async def __aenter__(self) -> "Place":
        lane, admission = self._lane, self._admission
        admission.inside += 1
        if lane.has_room:
            lane.under_way += 1
        else:
            try:
                await admission.turn(lane, self.deadline, self.had)
            except BaseException:
                admission.inside -= 1
                raise
        self._began, self._beside = admission.clock(), lane.under_way
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        lane, now = self._lane, self._admission.clock()
        refused = error is not None and _had_no_room(error)
        late = error is not None and _is_late(error)
        if refused or late or error is None:
            beside = max(self._beside, lane.under_way)
            lane.capacity.add(now - self._began - self.in_vain, self.had, beside, now, refused=refused, late=late)
        self._admission.inside -= 1
        self._admission.leave(lane)


class Admission:
    """The door of one front: at most `most` requests inside, whatever their names are.

    Members that can be done without are, by `brown_out`, before anyone is refused. What waits for the event loop waits,
    too: `lag` counts as a part of the line. `memory` is asked about all who come. `refusing` is told from time to time
    while requests are refused.
    """

    def __init__(
        self,
        *,
        floor: int,
        most: int,
        brown_out: Callable[[], BrownOut],
        refusing: Callable[[float], None] = lambda now: None,
        lag: Lag | None = None,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.most = most
        self._floor = min(floor, most)
        self.inside = 0  # under way or in line
        self.lanes: dict[str, Lane] = {}
        self.lag = lag or Lag()
        self.memory = memory or Memory()
        self.clock = clock
        self._brown_out = brown_out
        self._refusing = refusing

    @property
    def brown_out(self) -> float:
        """The share of the members that can be done without which are not asked now."""
        return self._brown_out().share(self.clock())

    @property
    def is_refusing(self) -> bool:
        """Whether anyone was refused of late."""
        now = self.clock()
        return any(lane.is_refusing(now) for lane in self.lanes.values())

    def tick(self) -> None:
        """Now and then: say that requests are refused, if they are."""
        if self.is_refusing:
            self._refusing(self.clock())

    def look(self, name: str, deadline: Deadline, had: float) -> Place:
        """The place of a request for `name` that had `had` seconds until `deadline` when it came.

        Raises:
            Refused: it would be in vain to read any more of it.
        """
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane(Capacity(self._floor, self.most))
        if self.inside >= self.most:
            raise self._refusal(lane, "full", f"{self.inside} requests are under way or wait")
        if self.lag.standing > LINE * had:
            raise self._refusal(lane, "lag", f"the event loop is {self.lag.standing * 1e3:.0f} ms late")
        if self.memory.sheds:
            raise self._refusal(lane, "memory", "the memory for requests is nearly used up")
        if not lane.has_room:
            self._check_line(lane, deadline, had)
        return Place(self, lane, deadline, had)

    def _check_line(self, lane: Lane, deadline: Deadline, had: float) -> None:
        """Refuse who would wait in vain. Who need not wait may be in any hurry: it is answered by whoever can."""
        ahead, room = len(lane.line), lane.capacity.room
        if ahead >= lane.longest_line:
            raise self._refusal(lane, "full", f"{lane.under_way} requests are under way and {ahead} wait")
        usual = lane.capacity.usual
        if usual is not None and usual * (1 + (ahead + 1) / room) > deadline - asyncio.get_running_loop().time():
            raise self._refusal(lane, "hopeless", "its turn would come too late for an answer")

    async def turn(self, lane: Lane, deadline: Deadline, had: float) -> None:
        """Wait in line. The place is taken by whoever gives it away, so that nobody can slip in between.

        Raises:
            Refused: the line has grown too long meanwhile, or the turn has not come.
        """
        self._check_line(lane, deadline, had)
        if len(lane.line) >= LONG * lane.longest_line:
            self._brown_out().press(self.clock())
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        lane.line.append(turn)
        lane.waited += 1
        timer = loop.call_later(self._patience(lane, deadline, had), self._expire, lane, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in lane.line:
                lane.line.remove(turn)
            elif not turn.cancelled():  # our turn had just come, and nobody will use it
                self.leave(lane)
            raise
        finally:
            timer.cancel()
            del turn  # a refusal knows the frames that it came through: with it in one of them it were a circle

    def _patience(self, lane: Lane, deadline: Deadline, had: float) -> float:
        if lane.is_refusing(self.clock()):
            return SHORT_SECONDS
        in_time = deadline - asyncio.get_running_loop().time() - (lane.capacity.usual or 0.0)
        return max(0.0, min(LINE * had - self.lag.standing, in_time))

    def _expire(self, lane: Lane, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            lane.line.remove(turn)
            turn.set_exception(self._refusal(lane, "waited", "its turn has not come"))

    def leave(self, lane: Lane) -> None:
        """Give a place back, and those that there are to who waits for them."""
        lane.under_way -= 1
        newest = bool(lane.line) and lane.is_refusing(self.clock())
        while lane.line and lane.under_way < lane.capacity.room:
            turn = lane.line.pop() if newest else lane.line.popleft()
            if not turn.done():
                lane.under_way += 1
                turn.set_result(None)

    def _refusal(self, lane: Lane, code: str, why: str) -> Refused:
        """Count one; who is refused should stay away for longer, the longer this has been going on."""
        now = self.clock()
        if not lane.is_refusing(now):
            lane.refusing_since = now
        lane.refused_at = now
        lane.refused[code] += 1
        self._brown_out().press(now, refused=True)
        return Refused(f"overloaded: {why}", code, 1.0 + now - lane.refusing_since)


ADMISSION: web.AppKey[Admission] = web.AppKey("admission", Admission)


def _is_late(error: BaseException) -> bool:
    return isinstance(error, BackendError) and error.fate == "late"


def _had_no_room(error: BaseException) -> bool:
    """Whether there is no answer because those who were asked had too much to do."""
    if not isinstance(error, BackendError):
        return False
    if error.report is None or not error.report.members:
        return error.reason in NO_ROOM
    return any(said.reason in NO_ROOM for said in error.report.members.values())

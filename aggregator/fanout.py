"""One question to many members, and any number of callers that wait for the answer.

A caller leaves when its own rows can no longer change, when its quorum is out of reach, or at its own deadline, with
what has come by then. The members are let go when the last caller has left.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.tally import Frozen, Quorum, Tally, Verdict
from models.deadline import Deadline
from models.errors import BackendError, InvalidRequest, NoQuorum, RuleFailed
from models.types import InferRequest, InferResponse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Someone who waits for the answer to `rows`."""

    rows: slice
    quorum: Quorum
    early: bool
    answer: asyncio.Future[Frozen]


class Fanout:
    """Ask `members` at once, by `deadline`, and record into `tally` what they say.

    What is still out after a decided answer has `linger` seconds to finish into its connection and its statistics.
    """

    def __init__(
        self,
        request: InferRequest,
        members: Sequence[Member],
        tally: Tally,
        deadline: Deadline,
        *,
        reaper: Reaper,
        linger: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tally = tally
        self._members = members
        self._reaper = reaper
        self._linger = linger
        self._clock = clock
        self.began = clock()
        self._callers: set[Caller] = set()
        self._tasks: set[asyncio.Task[InferResponse]] = set()
        for index, member in enumerate(members):
            task = self._loop.create_task(member.ask(request, deadline))
            self._tasks.add(task)
            task.add_done_callback(partial(self._heard, index))

    async def answer(self, rows: slice, deadline: Deadline, quorum: Quorum, *, early: bool) -> Frozen:
        """The answer to `rows`, at `deadline` at the latest. Its status is None if the quorum was not met."""
        caller = Caller(rows, quorum, early, self._loop.create_future())
        self._callers.add(caller)
        timer = self._loop.call_at(deadline, self._expire, caller)
        self._consider(caller)
        linger = 0.0
        try:
            frozen = await caller.answer
            if not frozen.late:
                linger = self._linger
            return frozen
        finally:
            timer.cancel()
            self._callers.discard(caller)
            if not self._callers:
                self._reaper.adopt(self._tasks, linger=linger)

    def _heard(self, index: int, task: asyncio.Task[InferResponse]) -> None:
        """A member is done. Its exception is always retrieved, and always counts as no vote."""
        self._tasks.discard(task)
        elapsed = self._clock() - self.began
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            self._tally.lose(index, "failed", "error", elapsed)  # after the last caller left, nobody reads this
        elif error is None:
            try:
                self._record(index, task.result(), elapsed)
            except Exception as unreadable:  # callers wait, and nobody else would tell them
                self._lose(index, unreadable, elapsed)
        else:
            self._lose(index, error, elapsed)
        for caller in tuple(self._callers):
            self._consider(caller, by=index)

    def _record(self, index: int, response: InferResponse, elapsed: float) -> None:
        scores = self._members[index].scores(response)
        if scores.shape != self._tally.shape:
            self._tally.lose(index, "failed", "invalid", elapsed)
        else:
            own = response.report if response.report.members else None
            self._tally.record(index, scores, elapsed, degraded=response.report.degraded, report=own)

    def _lose(self, index: int, error: BaseException, elapsed: float) -> None:
        if isinstance(error, BackendError):
            own = error.report if isinstance(error, NoQuorum) else None
            self._tally.lose(index, error.fate, error.reason, elapsed, own)
        elif isinstance(error, InvalidRequest):
            self._tally.lose(index, "failed", "input_rejected", elapsed)
        else:  # a bug: its traceback is wanted, the other members' answer too
            log.error("member %s failed by a bug", self._members[index].name, exc_info=error)
            self._tally.lose(index, "failed", "error", elapsed)

    def _consider(self, caller: Caller, by: int | None = None) -> None:
        self._tell(caller, lambda: self._tally.verdict(caller.rows, caller.quorum, early=caller.early), by=by)

    def _expire(self, caller: Caller) -> None:
        self._tell(caller, lambda: self._tally.at_the_deadline(caller.quorum), late=True)

    def _tell(
        self, caller: Caller, judge: Callable[[], Verdict | None], *, late: bool = False, by: int | None = None
    ) -> None:
        """Give `caller` its answer, if there is a verdict. An error of the rule ends its wait, too."""
        if caller.answer.done():
            return
        try:
            if (verdict := judge()) is not None:
                elapsed = self._clock() - self.began
                caller.answer.set_result(self._tally.freeze(caller.rows, verdict, elapsed=elapsed, late=late, by=by))
        except Exception as error:
            if isinstance(error, RuleFailed):
                log.error("%s", error, exc_info=error.__cause__)  # the caller is not shown the traceback
            caller.answer.set_exception(error)

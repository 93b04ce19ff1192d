"""One question to many members, and any number of callers that wait for the answer.

A caller leaves when its own rows can no longer change, when its quorum is out of reach, or at its own deadline, with
what has come by then. The members are let go when the last caller has left.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.reports import Roll, roll_of
from aggregator.tally import Frozen, Quorum, Tally, Verdict, Voice
from backends.eager import begin
from models.deadline import Deadline, remaining
from models.errors import BackendError, DeadlineExceeded, InvalidAnswer, InvalidRequest, Overloaded, RuleFailed
from models.types import InferRequest, InferResponse

log = logging.getLogger(__name__)

Heard = Callable[[int, float, BaseException | None], None]


@dataclass(slots=True, eq=False)
class Caller:
    """Someone who waits for the answer to `rows`."""

    rows: slice
    quorum: Quorum
    early: bool
    answer: asyncio.Future[Frozen]
    group: "dict[Caller, None]" = field(default_factory=dict)  # those who wait on the same terms


class Fanout:
    """Ask `members` at once, by `deadline`, from `start` on, and record into `tally` what they say.

    What is still out after a decided answer has `linger` seconds to finish into its connection and its statistics.
    Members on trial, whose breakers leave them alone, are not waited for once the others are an answer, and have until
    `deadline` to show whether they are well again: so a probe costs nobody any time.
    `heard` is told of each member that is done (its index, the seconds it took, its error if it failed) before any
    caller is; `ended` once everyone is heard or nobody waits any more. Those that are `spared` are not asked.
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
        heard: Heard = lambda index, seconds, error: None,
        ended: Callable[[], None] = lambda: None,
        spared: frozenset[int] = frozenset(),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._question: InferRequest | None = request
        self._deadline = deadline
        self._tally = tally
        self._members = members
        self._reaper = reaper
        self._linger = linger
        self._told = heard
        self._ended = ended
        self._spared = spared
        self._clock = clock
        self.began = clock()
        self._callers: dict[tuple[Quorum, bool], dict[Caller, None]] = {}  # by their terms, in the order they came
        self._tasks: set[asyncio.Task[InferResponse]] = set()
        self._trials: set[asyncio.Task[InferResponse]] = set()
        self._failing: frozenset[int] = frozenset()
        self._roll: tuple[tuple[Voice, ...], Roll] | None = None

    def start(self) -> None:
        """Ask the members, once: those first that take their time, for the others answer here and now."""
        if self._question is None:
            return
        request, self._question = self._question, None
        self.began = self._clock()
        for index in self._spared:
            self._tally.lose(index, Overloaded.fate, Overloaded.reason, 0.0)
        asked = [(index, one) for index, one in enumerate(self._members) if index not in self._spared]
        self._tally.on_trial = frozenset(
            [index for index, one in asked if not one.served.prompt and one.served.is_on_trial]
        )
        for index, member in asked if self._wanted() else ():
            if not member.served.prompt:
                self._await(index, self._loop.create_task(self._ask(request, index)))
        for index, member in asked:
            if member.served.prompt and self._wanted():
                self._begin(index, self._ask(request, index))
        if not self._tasks:
            self._ended()

    def _ask(self, request: InferRequest, index: int) -> Coroutine[Any, None, InferResponse]:
        member = self._members[index]
        needed = partial(self._needed, request, index) if member.served.retries else None
        return member.ask(request, self._deadline, needed)

    def _wanted(self) -> bool:
        """Whether anyone still waits for more."""
        for callers in self._callers.values():
            for caller in callers:  # mostly the first says it
                if not caller.answer.done():
                    return True
        return False

    def _begin(self, index: int, call: Coroutine[Any, None, InferResponse]) -> None:
        try:
            begun = begin(call, self._loop)
        except Exception as error:
            self._hear(index, None, error)
            return
        if isinstance(begun, asyncio.Task):
            self._await(index, begun)
        else:
            self._hear(index, begun, None)

    def _await(self, index: int, task: asyncio.Task[InferResponse]) -> None:
        self._tasks.add(task)
        if index in self._tally.on_trial:
            self._trials.add(task)
        task.add_done_callback(partial(self._done, index))

    async def answer(self, rows: slice, deadline: Deadline, quorum: Quorum, *, early: bool) -> Frozen:
        """The answer to `rows`, at `deadline` at the latest. Its status is None if the quorum was not met."""
        caller = Caller(rows, quorum, early, self._loop.create_future())
        self.board(caller)
        self.start()
        timer = self._loop.call_at(deadline, self.expire, caller)
        try:
            return await caller.answer
        finally:
            timer.cancel()
            self.leave(caller)

    def board(self, caller: Caller) -> None:
        """Tell `caller` its answer once there is one. Whoever boards must `leave`."""
        group = self._callers.get((caller.quorum, caller.early))
        if group is None:
            group = self._callers[caller.quorum, caller.early] = {}
        if self._tally.heard or not group or next(iter(group)).answer.done():  # else it is told when the first is
            self._consider([caller])
        group[caller] = None
        caller.group = group

    def leave(self, caller: Caller) -> None:
        """`caller` has its answer, or does not want it any more; after the last one the members are let go."""
        del caller.group[caller]
        if not caller.group:
            del self._callers[caller.quorum, caller.early]
        if not self._callers and self._tasks:
            self._let_go(result_of(caller.answer))

    def expire(self, caller: Caller) -> None:
        """The deadline of `caller` has come."""
        self._tell(caller, self._tally.at_the_deadline(caller.quorum), self._clock() - self.began, late=True)

    def roll(self, frozen: Frozen) -> Roll:
        """What became of each member; one roll for all who left at the same moment."""
        if self._roll is None or self._roll[0] is not frozen.voices:
            self._roll = (frozen.voices, roll_of(self._members, frozen.voices))
        return self._roll[1]

    def _needed(self, request: InferRequest, index: int) -> bool:
        """Whether anyone who waits has no quorum without this member, and is needed in turn by whoever asked.

        A member that is told that it is not needed will fail, but is heard only after others may have asked the same.
        """
        failing = self._failing | {index}
        spared = all(self._tally.can_lose(failing, quorum) for quorum, _ in self._callers)
        if not spared and (request.needed is None or request.needed()):
            return True
        self._failing = failing
        return False

    def _let_go(self, last: Frozen | None) -> None:
        """Nobody waits any more: the last one has got `last`, or gone without an answer."""
        if last is not None and last.late:
            for index in sorted(self._tally.out):
                self._told(index, last.elapsed, DeadlineExceeded("no answer by the deadline"))
        if last is None or last.late:
            self._reaper.adopt(self._tasks, linger=0.0)
        else:
            self._reaper.adopt(self._tasks - self._trials, linger=self._linger)
            self._reaper.adopt(self._tasks & self._trials, linger=remaining(self._deadline))
        self._ended()

    def _done(self, index: int, task: asyncio.Task[InferResponse]) -> None:
        """A member is done. Its exception is always retrieved, and always counts as no vote."""
        self._tasks.discard(task)
        if task.cancelled():
            self._tally.lose(index, "failed", "error", self._clock() - self.began)
            self._consider_all(by=index)  # mostly nobody is left: it was us who cancelled it
        elif (error := task.exception()) is not None:
            self._hear(index, None, error)
        else:
            self._hear(index, task.result(), None)
        if not self._tasks:
            self._ended()

    def _hear(self, index: int, response: InferResponse | None, error: BaseException | None) -> None:
        seconds = self._clock() - self.began
        if response is not None:
            error = self._record(index, response, seconds)
        if error is not None:
            self._lose(index, error, seconds)
        if self._callers:
            self._told(index, seconds, error)
            self._consider_all(by=index)

    def _record(self, index: int, response: InferResponse, seconds: float) -> Exception | None:
        """Record a vote; what cannot be read is an error, for callers wait and nobody else would tell them."""
        try:
            scores = self._members[index].scores(response)
            if scores.shape != self._tally.shape:
                return InvalidAnswer(f"expected scores of shape {self._tally.shape}, got {scores.shape}")
            report = response.report
            own = report if report.is_composite else None
            self._tally.record(index, scores, seconds, degraded=report.degraded, report=own)
        except Exception as unreadable:
            return unreadable
        return None

    def _lose(self, index: int, error: BaseException, seconds: float) -> None:
        if isinstance(error, BackendError):
            self._tally.lose(index, error.fate, error.reason, seconds, error.report)
        elif isinstance(error, InvalidRequest):
            self._tally.lose(index, "failed", "input_rejected", seconds)
        else:  # a bug: its traceback is wanted, the other members' answer too
            log.error("member %s failed by a bug", self._members[index].name, exc_info=error)
            self._tally.lose(index, "failed", "error", seconds)

    def _consider_all(self, by: int) -> None:
        for callers in tuple(self._callers.values()):
            self._consider(callers, by=by)

    def _consider(self, callers: Iterable[Caller], by: int | None = None) -> None:
        """Tell `callers`, whose terms are the same, what they can be told now."""
        one = next(iter(callers))
        verdict = self._tally.verdict_on_all(one.quorum)
        if verdict is None and not one.early:
            return
        elapsed = self._clock() - self.began
        for caller in callers:
            self._tell(caller, verdict, elapsed, by=by)

    def _tell(
        self, caller: Caller, verdict: Verdict | None, elapsed: float, *, late: bool = False, by: int | None = None
    ) -> None:
        """Give `caller` its answer if there is a verdict, if only on its rows. An error of the rule ends its wait."""
        if caller.answer.done():
            return
        try:
            verdict = verdict or self._tally.decided(caller.rows, caller.quorum)
            if verdict is not None:
                caller.answer.set_result(self._tally.freeze(caller.rows, verdict, elapsed=elapsed, late=late, by=by))
        except Exception as error:
            if isinstance(error, RuleFailed):
                log_failed_rule(error)
            caller.answer.set_exception(error)


def result_of(answer: asyncio.Future[Frozen]) -> Frozen | None:
    """What was answered, if anything."""
    return answer.result() if answer.done() and not answer.cancelled() and answer.exception() is None else None


def log_failed_rule(error: RuleFailed) -> None:
    """With the traceback, which the caller is not shown."""
    log.error("%s", error, exc_info=error.__cause__)

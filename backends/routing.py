"""One of several backends is asked, row by row: whoever a choice names."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace

from backends.alignment import Aligned
from backends.layers.timeout import Timeout
from models.deadline import Deadline, remaining
from models.errors import BackendError, DeadlineExceeded, InvalidAnswer
from models.types import Array, InferRequest, InferResponse, PartReport, Report, Status

WORST: tuple[Status, ...] = ("fallback", "partial", "decided", "complete")

Choice = int | Array
"""The number of a branch, for all rows; or one for each row (n,)."""
Choose = Callable[[InferRequest], Awaitable[Choice]]


@dataclass(frozen=True, slots=True)
class Branch:
    """A backend that may be asked; `facts` are what is shown of it when it was."""

    aligned: Aligned
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.aligned.served.name

    async def ask(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        """Its answer, with the labels in the order that all branches have."""
        served = self.aligned.served
        served.check(request.parameters)
        response = await Timeout(served.backend, seconds=None)(self.aligned.asked(request), deadline)
        return self.aligned.answered(response)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking `branch` about `rows`, None for all: an answer, an error, or None if it was let go."""

    branch: Branch
    rows: Array | None
    began: float
    elapsed: float
    said: InferResponse | Exception | None

    def report(self) -> PartReport:
        """What became of it."""
        rows = None if self.rows is None else tuple(self.rows.tolist())
        part = PartReport(
            self.branch.name,
            self.branch.aligned.served.version,
            "unneeded",
            began=self.began,
            elapsed=self.elapsed,
            rows=rows,
            facts=self.branch.facts,
        )
        if isinstance(self.said, InferResponse):
            report = self.said.report
            facts = {**part.facts, "degraded": True} if report.degraded else part.facts
            return replace(part, fate="ok", report=report if report.is_composite else None, facts=facts)
        if isinstance(self.said, BackendError):
            return replace(part, fate=self.said.fate, reason=self.said.reason, report=self.said.report)
        return part


class Routing:
    """Ask for each row the one of `branches` that `choose` names, all at once, and put the answers back in order.

    Where one fails, the whole fails at once, and the others are given to `let_go`. `word`: what a branch is called.

    Raises:
        BackendError: a branch failed; the error is that branch's, with its name and the report of all.
        InvalidRequest: the request asks something of an ensemble, and whom it is for is none.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        choose: Choose,
        *,
        word: str,
        let_go: Callable[[Collection[asyncio.Task[Any]]], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._branches = tuple(branches)
        self._choose = choose
        self._word = word
        self._let_go = let_go
        self._clock = clock

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        choice = await self._choose(request)
        chosen = [choice] if isinstance(choice, int) else np.unique(choice).tolist()
        if len(chosen) == 1:
            heard = [await self._ask(self._branches[chosen[0]], None, request, deadline)]
        else:
            heard = await self._ask_each({at: np.flatnonzero(choice == at) for at in chosen}, request, deadline)
        if failed := next((one for one in heard if isinstance(one.said, Exception)), None):
            raise self._failure(failed, heard)
        return _together(heard, request)

    async def _ask(self, branch: Branch, rows: Array | None, request: InferRequest, deadline: Deadline) -> Heard:
        began = self._clock()
        said: InferResponse | Exception
        try:
            said = await branch.ask(request if rows is None else request.of_rows(rows), deadline)
        except Exception as error:
            said = error
        return Heard(branch, rows, began, self._clock() - began, said)

    async def _ask_each(self, rows: Mapping[int, Array], request: InferRequest, deadline: Deadline) -> list[Heard]:
        """Until all have answered, one has failed, or the deadline has come."""
        began, loop = self._clock(), asyncio.get_running_loop()
        asked = {at: loop.create_task(self._ask(self._branches[at], rows[at], request, deadline)) for at in rows}
        out, over = set(asked.values()), False
        try:
            while out and not over:
                left = max(0.0, remaining(deadline))
                done, out = await asyncio.wait(out, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                over = not done or any(isinstance(task.result().said, Exception) for task in done)
        finally:
            self._let_go([task for task in asked.values() if not task.done()])
        late = DeadlineExceeded("no answer by the deadline") if remaining(deadline) <= 0 else None
        elapsed = self._clock() - began
        return [
            Heard(self._branches[at], rows[at], began, elapsed, late) if task in out else task.result()
            for at, task in asked.items()
        ]

    def _failure(self, failed: Heard, heard: Sequence[Heard]) -> Exception:
        error = failed.said
        assert isinstance(error, Exception)  # noqa: S101 - which is why it failed
        if not isinstance(error, BackendError):
            return error
        own = Report(asked=1, answered=0) if error.report is None else error.report
        parts = tuple(one.report() for one in heard)
        return error.within(f"{self._word} {failed.branch.name!r}", replace(own, parts=parts))


def _together(heard: Sequence[Heard], request: InferRequest) -> InferResponse:
    """The answers in the order of the rows asked."""
    parts = tuple(one.report() for one in heard)
    answers = [(one.rows, one.said) for one in heard if isinstance(one.said, InferResponse)]
    _, first = answers[0]
    if len(answers) == 1:
        return replace(first, id=request.id, report=replace(first.report, parts=parts))
    whole = {name: [(rows, said.outputs[name]) for rows, said in answers] for name in first.outputs}
    outputs = {name: _scattered(arrays, request.rows) for name, arrays in whole.items()}
    return InferResponse(outputs, request.id, replace(_merged(answers, request.rows), parts=parts))


def _scattered(arrays: Sequence[tuple[Array | None, Array]], rows: int) -> Array:
    _, first = arrays[0]
    if any(array.shape[1:] != first.shape[1:] for _, array in arrays):
        raise InvalidAnswer(f"answers of different shapes: {', '.join(str(array.shape) for _, array in arrays)}")
    whole: Array = np.empty((rows, *first.shape[1:]), first.dtype)
    for own, array in arrays:
        whole[own] = array
    return whole


def _merged(answers: Sequence[tuple[Array | None, InferResponse]], rows: int) -> Report:
    """One report of several branches: the worst status, all who were asked, and what is known of every row."""
    reports = [said.report for _, said in answers]
    agreement = [(own, said.report.agreement) for own, said in answers if said.report.agreement is not None]
    entropy = [(own, said.report.entropy) for own, said in answers if said.report.entropy is not None]
    pointed = [int(own[row]) for own, said in answers if own is not None for row in said.report.disagreed or ()]
    return Report(
        status=min((report.status for report in reports), key=WORST.index),
        degraded=any(report.degraded for report in reports),
        asked=sum(report.asked for report in reports),
        answered=sum(report.answered for report in reports),
        quorum=sum(report.quorum for report in reports),
        agreement=_scattered(agreement, rows) if len(agreement) == len(answers) else None,
        entropy=_scattered(entropy, rows) if len(entropy) == len(answers) else None,
        disagreed=tuple(sorted(pointed)) if any(report.disagreed is not None for report in reports) else None,
    )

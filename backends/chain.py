"""Serial composition: one step after the other, under one deadline."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from backends.cost import Cost
from backends.layers.timeout import Timeout
from backends.served import Served
from backends.wiring import REQUEST, Feed, Seen, two_axes
from models.deadline import Deadline, deadline_after, remaining
from models.errors import BackendError, DeadlineExceeded
from models.oip.responses import output_array
from models.types import NO_PARAMETERS, Array, InferRequest, InferResponse, PartReport, Report

RESERVE = 2.0  # times what the steps to come usually take
MOST = 0.5  # of what remains: what is kept for them at most


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain: what stands behind it, how it is fed, and which of its outputs later steps are fed with.

    `cost`: what it has taken so far.
    """

    served: Served
    feed: Feed
    used: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)

    @property
    def name(self) -> str:
        return self.served.name


class Chain:
    """Run `steps` one after the other; each is fed by name, with all that was said before.

    The deadline is one for all. A step that answers with what it has by its deadline, as an ensemble does, leaves those
    after it the time that they usually take. What is asked of an ensemble is for the last step that has one in it.

    Raises:
        BackendError: a step failed; the error is that step's, with its name and the report of all.
    """

    def __init__(self, steps: Sequence[Step], *, clock: Callable[[], float] = time.perf_counter) -> None:
        if not steps:
            raise ValueError("a chain needs at least one step")
        self._steps = tuple(steps)
        self._backends = [Timeout(step.served.backend, seconds=None) for step in self._steps]
        self._clock = clock
        takers = [at for at, step in enumerate(self._steps) if step.served.takes]
        self._taker = takers[-1] if takers else None

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        seen = {(REQUEST, name): two_axes(array) for name, array in request.inputs.items()}
        reports: list[PartReport] = []
        responses: list[InferResponse] = []
        for at, step in enumerate(self._steps):
            began = self._clock()
            try:
                response = await self._ask(at, seen, request, deadline)
            except BackendError as error:
                reports.append(_failed(step, error, began, self._clock() - began))
                raise self._failure(step, error, reports) from error
            elapsed = self._clock() - began
            step.cost.learn(request.rows, elapsed)
            reports.append(_answered(step, response, began, elapsed))
            responses.append(response)
            seen |= {(step.name, name): two_axes(_output(step, name, response)) for name in step.used}
        return replace(responses[-1], id=request.id, report=_whole(responses, reports))

    async def _ask(self, at: int, seen: Seen, request: InferRequest, deadline: Deadline) -> InferResponse:
        step = self._steps[at]
        if remaining(deadline) <= 0:
            raise DeadlineExceeded("the deadline came before it could begin")
        if step.served.takes:
            deadline = self._reserved(at, request.rows, deadline)
        parameters = request.parameters if at == self._taker else NO_PARAMETERS
        return await self._backends[at](
            replace(request, inputs=step.feed(seen), parameters=parameters, stopwatch=None), deadline
        )

    def _reserved(self, at: int, rows: int, deadline: Deadline) -> Deadline:
        """What `deadline` leaves for step `at`, once the steps after it have what they usually take."""
        usual = sum(step.cost.predict(rows) or 0.0 for step in self._steps[at + 1 :])
        left = remaining(deadline)
        return deadline_after(left - min(RESERVE * usual, MOST * left)) if usual else deadline

    def _failure(self, step: Step, error: BackendError, reports: Sequence[PartReport]) -> BackendError:
        missed = self._steps[len(reports) :]
        parts = [*reports, *(PartReport(one.name, one.served.version, "skipped", "not_reached") for one in missed)]
        own = Report(asked=1, answered=0) if error.report is None else error.report
        return error.within(f"step {step.name!r}", replace(own, parts=tuple(parts)))


def _failed(step: Step, error: BackendError, began: float, elapsed: float) -> PartReport:
    return PartReport(step.name, step.served.version, error.fate, error.reason, began, elapsed, report=error.report)


def _answered(step: Step, response: InferResponse, began: float, elapsed: float) -> PartReport:
    report = response.report
    own = report if report.is_composite else None
    facts = {"degraded": True} if report.degraded else {}
    return PartReport(step.name, step.served.version, began=began, elapsed=elapsed, report=own, facts=facts)


def _output(step: Step, name: str, response: InferResponse) -> Array:
    return output_array(name, response, step.served.signature)


def _whole(responses: Sequence[InferResponse], parts: Sequence[PartReport]) -> Report:
    """The report of the last step that put anything to the vote, else of the last; degraded if any step was."""
    voted = [one.report for one in responses if one.report.members or one.report.asked > 1]
    last = voted[-1] if voted else responses[-1].report
    return replace(last, degraded=any(one.report.degraded for one in responses), parts=tuple(parts))

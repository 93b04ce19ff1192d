"""The cheap members first, the dear ones only about the rows of which those are not sure.

Each stage is an ensemble with a quorum of its own, asked about the rows that are still open. A stage without it answers
nothing, and the next is asked; if none is left, the answer of the stage before leaves, degraded.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from aggregator.ensemble import Ensemble, Terms
from aggregator.measures import entropy
from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.reports import no_quorum
from aggregator.rules import Rule
from aggregator.staged import Heard, report_of_stages
from aggregator.stages import Stages, Sureness
from aggregator.weights import integer_weights
from backends.aside import Aside
from backends.batching import Batching
from backends.served import Served
from models.deadline import Deadline, deadline_after, remaining
from models.errors import BackendError, InvalidRequest, LateInQueue, NoQuorum, Overloaded
from models.types import (
    NO_PARAMETERS,
    PREDICTIONS,
    PROBABILITIES,
    InferRequest,
    InferResponse,
    MemberReport,
    Parameters,
    Report,
    Settled,
    Signature,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Members that are asked at once; `quorum` of them must answer, None: a strict majority."""

    members: tuple[Member, ...]
    quorum: int | None = None


class Cascade:
    """Ask the first of `stages`, then each next one about the rows that are not sure by the votes cast so far.

    A stage gets an equal share of what remains of the deadline, so that a cheap member that hangs leaves time for the
    dear ones. `early`: a row is closed, too, once the members to come cannot change its label. With `batching`
    requests share a stage.

    Raises:
        NoQuorum: no stage had its quorum.
        InvalidRequest: the request names a member that is not there, or an impossible quorum.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        signature: Signature,
        rule: Rule,
        sureness: Sureness,
        *,
        reaper: Reaper,
        early: bool = False,
        batching: Batching | None = None,
        aside: Aside | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if len(stages) < 2 or not all(stage.members for stage in stages):
            raise ValueError(f"a cascade needs two stages with members, got {[len(one.members) for one in stages]}")
        self._stages = dict(enumerate(stages, 1))
        self._members = tuple(member for stage in stages for member in stage.members)
        self._ensembles = {
            number: Ensemble(
                one.members,
                signature,
                rule,
                Terms(one.quorum, early=False),
                reaper=reaper,
                batching=batching,
                aside=aside,
                clock=clock,
            )
            for number, one in self._stages.items()
        }
        self._signature = signature
        self._rule = rule
        self._sureness = sureness
        self._early = early
        self._clock = clock
        self._weights = integer_weights([member.weight for member in self._members])
        self._places = {member.name: at for at, member in enumerate(self._members)}

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        began = self._clock()
        plan = self._plan(request.parameters)
        state = self._state(request.rows)
        heard: dict[int, Heard] = {}
        for number, parameters in plan.items():
            if heard and not len(state.open):
                break
            to_come = self._due(plan, number)
            share = deadline_after(remaining(deadline) / (1 + len(to_come))) if to_come else deadline
            heard[number] = one = await self._ask(number, _part(request, state, parameters), share)
            for name in one.report.members:
                if (scores := one.report.said(name)) is not None:
                    state.record(self._places[name], scores)
            if one.met:
                state.decide(number, self._sureness, self._outstanding(request.parameters, to_come))
        unneeded = {number: members for number, members in self._due(plan, 0).items() if number not in heard}
        return self._response(request, state, report_of_stages(heard, unneeded, self._places, state, began))

    def answerable(self, ready: Callable[[Served], bool]) -> bool:
        """Whether the members that are `ready` are enough for the quorum of some stage."""
        return any(ensemble.answerable(ready) for ensemble in self._ensembles.values())

    def _plan(self, parameters: Parameters) -> dict[int, Parameters]:
        """What may be asked of which stage: a request's subset is asked in the stages that it names members of.

        A request's quorum is that of each stage, as far as that has so many members.
        """
        for index, name in enumerate(parameters.members or ()):
            if name not in self._places:
                there = ", ".join(sorted(self._places))
                raise InvalidRequest(f"no member {name[:64]!r}; there are: {there}", f"$.parameters.members[{index}]")
        chosen = self._places.keys() if parameters.members is None else set(parameters.members)
        if parameters.quorum is not None and not 1 <= parameters.quorum <= len(chosen):
            most = len(chosen)
            raise InvalidRequest(
                f"{most} members may be asked, so a quorum is 1 to {most}; got {parameters.quorum}",
                "$.parameters.quorum",
            )
        named = {
            number: tuple(member.name for member in stage.members if member.name in chosen)
            for number, stage in self._stages.items()
        }
        return {number: _of_stage(parameters, names) for number, names in named.items() if names}

    def _due(self, plan: Mapping[int, Parameters], after: int) -> dict[int, list[Member]]:
        """Whom the stages behind the one numbered `after` would ask."""
        return {
            number: [one for one in self._stages[number].members if _is_due(one, parameters)]
            for number, parameters in plan.items()
            if number > after
        }

    def _outstanding(self, parameters: Parameters, to_come: Mapping[int, Sequence[Member]]) -> float | None:
        """The weight of the members to come, where a row may leave because they cannot change its label."""
        if not (self._early if parameters.early is None else parameters.early):
            return None
        return float(sum(self._weights[self._places[one.name]] for members in to_come.values() for one in members))

    def _state(self, rows: int) -> Stages:
        sizes = [len(stage.members) for stage in self._stages.values()]
        return Stages(self._rule, sizes, self._weights, rows=rows, classes=len(self._signature.labels) or 1)

    async def _ask(self, number: int, part: InferRequest, deadline: Deadline) -> Heard:
        try:
            response = await self._ensembles[number](part, deadline)
        except NoQuorum as error:
            return Heard(error.report, part.rows, met=False)
        except (LateInQueue, Overloaded) as error:
            return Heard(self._unasked(number, part.parameters, error), part.rows, met=False)
        return Heard(response.report, part.rows, met=True)

    def _unasked(self, number: int, parameters: Parameters, error: BackendError) -> Report:
        """The report of a stage whose turn did not come, or not in time."""
        due = self._due({number: parameters}, 0)[number]
        late = {one.name: MemberReport(error.fate, one.weight, one.served.version, error.reason) for one in due}
        return Report("partial", True, len(due), 0, 0, late, settled=Settled(self._clock(), 0.0, late=True))

    def _response(self, request: InferRequest, state: Stages, report: Report) -> InferResponse:
        if not state.decided.all():
            raise no_quorum(report, [one.name for one in self._members if not one.served.state.enabled])
        report = replace(report, stages=state.decided)
        if not self._signature.labels:
            return InferResponse({PREDICTIONS: state.combined[:, 0]}, request.id, report)
        report = replace(report, agreement=state.agreement(), entropy=entropy(state.combined))
        return InferResponse({PROBABILITIES: state.combined}, request.id, report)


def _of_stage(parameters: Parameters, names: tuple[str, ...]) -> Parameters:
    """What a request's `parameters` ask of the stage that has the members `names`."""
    if parameters.quorum is None and parameters.members is None:
        return NO_PARAMETERS
    quorum = None if parameters.quorum is None else min(parameters.quorum, len(names))
    return Parameters(quorum=quorum, members=None if parameters.members is None else names)


def _is_due(member: Member, parameters: Parameters) -> bool:
    """Whether a stage that is asked with `parameters` asks `member`."""
    return member.served.state.enabled if parameters.members is None else member.name in parameters.members


def _part(request: InferRequest, state: Stages, parameters: Parameters) -> InferRequest:
    """`request` for a stage: its open rows."""
    part = request if len(state.open) == request.rows else request.of_rows(state.open)
    return replace(part, parameters=parameters)

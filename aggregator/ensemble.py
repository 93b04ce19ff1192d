"""Parallel composition: many backends asked at once, one answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aggregator.fanout import Fanout
from aggregator.measures import entropy
from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.reports import no_quorum, report_of
from aggregator.rules import Rule
from aggregator.tally import Frozen, Quorum, Tally, quorum_of
from aggregator.weights import integer_weights
from backends.served import Served
from models.deadline import Deadline, deadline_after, remaining
from models.errors import InputRejected, InvalidRequest, NoQuorum
from models.types import (
    NO_PARAMETERS,
    PREDICTIONS,
    PROBABILITIES,
    Array,
    InferRequest,
    InferResponse,
    Parameters,
    Report,
    Settled,
    Signature,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """When an ensemble answers. `early` None is the rule's own habit; `linger` in seconds.

    Rows with less agreement than `min_agreement` are pointed out: so that the last who could disagree are heard, such
    an ensemble leaves early only where it is asked to. `fallback` (k,): what it says of each row without a quorum.
    """

    quorum: int | None = None
    quorum_weight: float | None = None
    early: bool | None = None
    linger: float = 0.01
    min_agreement: float | None = None
    fallback: Array | None = None


class Ensemble:
    """Ask `members` at once and combine what they say by `rule`.

    Raises:
        NoQuorum: too few answered; as soon as that is certain, else at the deadline.
        InvalidRequest: the request names a member that is not there, or an impossible quorum.
    """

    def __init__(
        self,
        members: Sequence[Member],
        signature: Signature,
        rule: Rule,
        terms: Terms,
        *,
        reaper: Reaper,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._members = tuple(members)
        self._signature = signature
        self._rule = rule
        self._terms = terms
        self._reaper = reaper
        self._clock = clock
        self._weights = integer_weights([member.weight for member in members])
        self._classes = len(signature.labels) or 1

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        frozen_at = freeze_time(deadline)
        asked = self._asked(request.parameters)
        members = [self._members[index] for index in asked]
        weights = self._weights[asked]
        quorum = self._quorum(request.parameters, members, asked)
        tally = Tally(self._rule, weights, rows=request.rows, classes=self._classes)
        fanout = Fanout(
            request, members, tally, frozen_at, reaper=self._reaper, linger=self._terms.linger, clock=self._clock
        )
        frozen = await fanout.answer(slice(0, request.rows), frozen_at, quorum, early=self._early(request.parameters))
        return self._response(request, members, quorum, frozen, fanout.began)

    def answerable(self, ready: Callable[[Served], bool]) -> bool:
        """Whether those of its members that are `ready` meet the quorum of a request that asks for nothing special."""
        asked = self._asked(NO_PARAMETERS)
        members = [self._members[index] for index in asked]
        there = {index for index, member in enumerate(members) if ready(member.served)}
        return self._quorum(NO_PARAMETERS, members, asked).met_by(there, self._weights[asked].tolist())

    def _early(self, parameters: Parameters) -> bool:
        for said in (parameters.early, self._terms.early):
            if said is not None:
                return said
        return self._rule.early and self._terms.min_agreement is None

    def _asked(self, parameters: Parameters) -> list[int]:
        """The request's subset, less disabled members; one that is required, or asked by name, stays and is missed."""
        names = {member.name for member in self._members}
        for index, name in enumerate(parameters.members or ()):
            if name not in names:
                raise InvalidRequest(
                    f"no member {name[:64]!r}; there are: {', '.join(sorted(names))}",
                    f"$.parameters.members[{index}]",
                )
        subset = names if parameters.members is None else set(parameters.members)
        for member in self._members:
            if member.required and member.name not in subset:
                raise InvalidRequest(f"{member.name!r} is required: a subset must name it", "$.parameters.members")
        return [
            index
            for index, member in enumerate(self._members)
            if member.name in subset and (parameters.members is not None or _is_due(member))
        ]

    def _quorum(self, parameters: Parameters, members: Sequence[Member], asked: Sequence[int]) -> Quorum:
        required = [index for index, member in enumerate(members) if member.required]
        if parameters.quorum is None:
            due = [index for index, member in zip(asked, members, strict=True) if _is_due(member)]
            count = self._terms.quorum
            if count is not None and parameters.members is not None:
                count = min(count, len(members))  # who names fewer members than the quorum asks no more of them
            return quorum_of(self._weights[due], count, self._terms.quorum_weight, required)
        most = len(self._members if parameters.members is None else parameters.members)  # the disabled, too: no fault
        if not 1 <= parameters.quorum <= most:  # of who asks
            raise InvalidRequest(
                f"{most} members are asked, so a quorum is 1 to {most}; got {parameters.quorum}",
                "$.parameters.quorum",
            )
        return quorum_of(self._weights[asked], parameters.quorum, None, required)

    def _response(
        self, request: InferRequest, members: Sequence[Member], quorum: Quorum, frozen: Frozen, began: float
    ) -> InferResponse:
        by = "" if frozen.by is None else members[frozen.by].name
        settled = Settled(began, frozen.elapsed, by, frozen.late)
        report = report_of(members, quorum, frozen, settled, self._signature.labels)
        combined = frozen.combined
        if combined is None:
            combined, report = self._fall_back(no_quorum(report, self._disabled()), request.rows)
        if self._terms.min_agreement is not None and report.agreement is not None:
            under = np.flatnonzero(report.agreement < self._terms.min_agreement)
            report = replace(report, disagreed=tuple(under.tolist()))
        if self._signature.labels:
            return InferResponse({PROBABILITIES: combined}, request.id, report)
        return InferResponse({PREDICTIONS: combined[:, 0]}, request.id, report)

    def _disabled(self) -> list[str]:
        return [member.name for member in self._members if not member.served.state.enabled]

    def _fall_back(self, error: NoQuorum, rows: int) -> tuple[Array, Report]:
        """What is said without a quorum. Nobody stands behind it, so its agreement is 0.

        Raises:
            NoQuorum: nothing is configured, or the members refused the input: that is no answer to a bad question.
        """
        if self._terms.fallback is None or error.reason == InputRejected.reason:
            raise error
        combined = np.tile(self._terms.fallback, (rows, 1))
        report = replace(error.report, status="fallback", degraded=True)
        if self._signature.labels:
            report = replace(report, agreement=np.zeros(rows), entropy=entropy(combined))
        return combined, report


def freeze_time(deadline: Deadline) -> Deadline:
    """When to stop waiting, so that there is time left to combine and to write."""
    left = remaining(deadline)
    return deadline_after(left - min(max(0.002, 0.03 * left), 0.25 * left))


def _is_due(member: Member) -> bool:
    """Whether its vote counts in the quorum: not while it is disabled, unless there is no answer without it."""
    return member.served.state.enabled or member.required

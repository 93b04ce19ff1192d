"""Parallel composition: many backends asked at once, one answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aggregator.fanout import Fanout
from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.rules import Rule, integer_weights
from aggregator.tally import Frozen, Quorum, Tally, quorum_of
from models.deadline import Deadline, deadline_after, remaining
from models.errors import InvalidRequest, NoQuorum
from models.types import (
    PREDICTIONS,
    PROBABILITIES,
    InferRequest,
    InferResponse,
    MemberReport,
    Parameters,
    Report,
    Signature,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """When an ensemble answers. `early` None is the rule's own habit; `linger` in seconds."""

    quorum: int | None = None
    quorum_weight: float | None = None
    early: bool | None = None
    linger: float = 0.01


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
        early = request.parameters.early if request.parameters.early is not None else self._terms.early
        tally = Tally(self._rule, weights, rows=request.rows, classes=self._classes)
        fanout = Fanout(
            request, members, tally, frozen_at, reaper=self._reaper, linger=self._terms.linger, clock=self._clock
        )
        frozen = await fanout.answer(
            slice(0, request.rows), frozen_at, quorum, early=self._rule.early if early is None else early
        )
        return self._response(request, members, quorum, frozen)

    def _asked(self, parameters: Parameters) -> list[int]:
        """The request's subset, less disabled members; a required one that is disabled stays, and is missed."""
        names = {member.name for member in self._members}
        for index, name in enumerate(parameters.members or ()):
            if name not in names:
                raise InvalidRequest(
                    f"no member {name[:64]!r}; there are: {', '.join(sorted(names))}",
                    f"$.parameters.members[{index}]",
                )
        subset = names if parameters.members is None else set(parameters.members)
        return [
            index
            for index, member in enumerate(self._members)
            if member.name in subset and (member.served.state.enabled or member.required)
        ]

    def _quorum(self, parameters: Parameters, members: Sequence[Member], asked: Sequence[int]) -> Quorum:
        required = [index for index, member in enumerate(members) if member.required]
        if parameters.quorum is None:
            return quorum_of(self._weights[asked], self._terms.quorum, self._terms.quorum_weight, required)
        if not 1 <= parameters.quorum <= len(members):
            raise InvalidRequest(
                f"{len(members)} members are asked, so a quorum is 1 to {len(members)}; got {parameters.quorum}",
                "$.parameters.quorum",
            )
        return quorum_of(self._weights[asked], parameters.quorum, None, required)

    def _response(
        self, request: InferRequest, members: Sequence[Member], quorum: Quorum, frozen: Frozen
    ) -> InferResponse:
        report = report_of(members, quorum, frozen)
        if frozen.combined is None:
            raise no_quorum(report)
        if self._signature.labels:
            return InferResponse({PROBABILITIES: frozen.combined}, request.id, report)
        return InferResponse({PREDICTIONS: frozen.combined[:, 0]}, request.id, report)


def freeze_time(deadline: Deadline) -> Deadline:
    """When to stop waiting, so that there is time left to combine and to write."""
    left = remaining(deadline)
    return deadline_after(left - min(max(0.002, 0.03 * left), 0.25 * left))


def report_of(members: Sequence[Member], quorum: Quorum, frozen: Frozen) -> Report:
    """Who was asked, and what became of each."""
    voices = frozen.voices
    return Report(
        status=frozen.status or "partial",
        degraded=frozen.status == "partial" or any(voice.degraded for voice in voices),
        asked=len(members),
        answered=sum(voice.fate == "ok" for voice in voices),
        quorum=quorum.count,
        members={
            member.name: MemberReport(
                voice.fate, member.weight, member.served.version, voice.reason, voice.elapsed, voice.scores
            )
            for member, voice in zip(members, voices, strict=True)
        },
        agreement=frozen.agreement,
        entropy=frozen.entropy,
    )


def no_quorum(report: Report) -> NoQuorum:
    """The error for a report without enough answers; late if anyone was waited for in vain."""
    missing = [f"{name} {said.fate} {said.reason}" for name, said in report.members.items() if said.fate != "ok"]
    message = f"{report.answered} of {report.asked} members answered, the quorum is {report.quorum}"
    late = any(said.fate == "late" for said in report.members.values())
    return NoQuorum(f"{message} ({'; '.join(missing).strip()})" if missing else message, report, late=late)

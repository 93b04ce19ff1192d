"""Parallel composition: many backends asked at once, one answer."""

import asyncio
import time
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from aggregator.batching import Rider
from aggregator.brown_out import BrownOut
from aggregator.fanout import log_failed_rule, result_of
from aggregator.measures import entropy
from aggregator.member import Member
from aggregator.reaper import Reaper
from aggregator.reports import no_quorum, report_of
from aggregator.rules import Rule
from aggregator.subsets import Subsets
from aggregator.tally import Frozen
from aggregator.terms import Terms
from backends.alarm import Alarm
from backends.aside import Aside
from backends.batching import Batching
from backends.served import Served
from models.deadline import Deadline, remaining
from models.errors import InputRejected, NoQuorum, RuleFailed
from models.types import PREDICTIONS, PROBABILITIES, Array, InferRequest, InferResponse, Report, Settled, Signature

__all__ = ["Ensemble", "Terms", "freeze_time"]


class Ensemble:
    """Ask `members` at once and combine what they say by `rule`; with `batching` for several requests at once.

    In a `brown_out` it does without those that an answer does not need. Answers of many rows are put together `aside`.

    Raises:
        NoQuorum: too few answered; as soon as that is certain, else at the deadline.
        InvalidRequest: the request names a member that is not there, or an impossible quorum.
        LateInQueue: the deadline came before the request's batch left.
        Overloaded: too many requests wait for the next batch.
    """

    def __init__(
        self,
        members: Sequence[Member],
        signature: Signature,
        rule: Rule,
        terms: Terms,
        *,
        reaper: Reaper,
        batching: Batching | None = None,
        brown_out: BrownOut | None = None,
        aside: Aside | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._aside = aside or Aside()
        self._signature = signature
        self._terms = terms
        self._alarm = Alarm()
        self._early = rule.early and terms.min_agreement is None if terms.early is None else terms.early
        self._subsets = Subsets(
            members,
            rule,
            len(signature.labels) or 1,
            terms,
            reaper=reaper,
            batching=batching,
            brown_out=brown_out,
            clock=clock,
        )

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        parameters = request.parameters
        subset = self._subsets.of(parameters)
        quorum = self._subsets.quorum(subset, parameters)
        early = self._early if parameters.early is None else parameters.early
        answer: asyncio.Future[Frozen] = asyncio.get_running_loop().create_future()
        rider = Rider(request, freeze_time(deadline), quorum, early, answer)
        self._alarm.on(rider)
        try:
            subset.join(rider)
            frozen = await rider.answer
            if frozen.pooling is not None:
                frozen = await self._pooled(frozen, frozen.pooling.size)
            return self._response(rider, frozen)
        finally:
            self._alarm.off(rider)
            subset.leave(rider)
            result_of(rider.answer)  # an error that nobody looked at, if the caller was cancelled meanwhile

    async def _pooled(self, frozen: Frozen, size: int) -> Frozen:
        try:
            return await self._aside(size, frozen.pooled)
        except RuleFailed as error:
            log_failed_rule(error)
            raise

    def answerable(self, ready: Callable[[Served], bool]) -> bool:
        """Whether those of its members that are `ready` meet the quorum of a request that asks for nothing special."""
        return self._subsets.answerable(ready)

    def _response(self, rider: Rider, frozen: Frozen) -> InferResponse:
        assert rider.fanout is not None  # noqa: S101 - only a fan-out answers
        roll = rider.fanout.roll(frozen)
        by = "" if frozen.by is None else list(roll.members)[frozen.by]
        settled = Settled(rider.fanout.began, frozen.elapsed, by, frozen.late)
        report = report_of(roll, rider.quorum, frozen, settled, self._signature.labels)
        combined = frozen.combined
        if combined is None:
            combined, report = self._fall_back(no_quorum(report, self._subsets.disabled()), rider.rows)
        if self._terms.min_agreement is not None and report.agreement is not None:
            under = np.flatnonzero(report.agreement < self._terms.min_agreement)
            report = replace(report, disagreed=tuple(under.tolist()))
        if self._signature.labels:
            return InferResponse({PROBABILITIES: combined}, rider.request.id, report)
        return InferResponse({PREDICTIONS: combined[:, 0]}, rider.request.id, report)

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
    reserve = 0.03 * left if left > 0.0667 else min(0.002, 0.25 * left)
    return Deadline(deadline - reserve)

"""Candidates that are asked what a primary is asked: never counted, never waited for, only compared.

They are asked after the answer has left, for on few cores whoever computes beside it delays it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from msgspec.structs import replace

from aggregator.comparison import compared
from aggregator.member import Member
from backends.base import Backend
from backends.comparisons import Comparisons, Revote
from backends.layers.timeout import Timeout
from models.deadline import Deadline, deadline_after
from models.errors import BackendError, InvalidAnswer, InvalidRequest
from models.types import PREDICTIONS, PROBABILITIES, Array, Fate, InferRequest, InferResponse, MemberReport, origins_of

log = logging.getLogger(__name__)

AFTER = 0.002  # seconds: by then the answer is written, even if it has an ensemble to pass first
DRAIN_SECONDS = 5.0
KEPT_ROWS, KEPT_NUMBERS = 3, 8192  # of what a candidate said, for whoever looks at the request later


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backend that is compared; `revote`, where the primary is an ensemble: its answer with this member."""

    member: Member
    revote: Revote | None = None
    comparisons: Comparisons = field(default_factory=Comparisons)


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request whose answer has left, and what candidates say of it, which whoever kept the answer can see come in."""

    request: InferRequest
    response: InferResponse
    heard: dict[str, MemberReport]


class Shadow:
    """Answer as `primary` does, and ask the `candidates` about a `share` of the requests that it answered.

    Of each at most `limit` calls are under way, for `timeout` seconds at most. `labels` are the primary's; numbers that
    differ by a share of `tolerance` at most agree.
    """

    def __init__(
        self,
        primary: Backend,
        candidates: Sequence[Candidate],
        labels: tuple[str, ...],
        *,
        share: float = 1.0,
        limit: int = 16,
        timeout: float = 1.0,
        tolerance: float = 0.01,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not (candidates and 0 < share <= 1 and limit > 0):
            raise ValueError(f"a shadow needs candidates, a share in (0, 1] and a limit, got {share}, {limit}")
        self._primary = primary
        self._candidates = tuple((one, Timeout(one.member.ask, seconds=timeout)) for one in candidates)
        self._labels = labels
        self._share = share
        self._limit = limit
        self._timeout = timeout
        self._tolerance = tolerance
        self._chance = chance
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        response = await self._primary(request, deadline)
        if self._share < 1 and self._chance() >= self._share:
            return response
        answered = _Answered(request, response, {})
        for candidate, ask in self._candidates:
            self._begin(candidate, ask, answered)
        return replace(response, report=replace(response.report, shadows=answered.heard))

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """Let what is under way end, for a few seconds at most."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=min(self._timeout, DRAIN_SECONDS))
        left = tuple(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _begin(self, candidate: Candidate, ask: Backend, answered: _Answered) -> None:
        comparisons = candidate.comparisons
        if comparisons.under_way >= self._limit:
            comparisons.dropped += 1
            return
        comparisons.begin()
        task = asyncio.get_running_loop().create_task(self._watch(candidate, ask, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: comparisons.let_go())

    async def _watch(self, candidate: Candidate, ask: Backend, answered: _Answered) -> None:
        """One call of one candidate, and what became of it."""
        await asyncio.sleep(AFTER)
        member, began = candidate.member, self._clock()
        fate: Fate = "failed"
        reason, said = "", None
        try:
            said = _scores(member, await ask(answered.request, deadline_after(self._timeout)))
            self._compare(candidate, answered, said)
            fate = "ok"
        except BackendError as error:
            fate, reason = error.fate, error.reason
        except InvalidRequest:
            reason = "input_rejected"
        except Exception:  # a bug over there harms nobody here
            log.exception("shadow %s failed by a bug", member.name)
            reason = "error"
        candidate.comparisons.end(fate, reason)
        elapsed = self._clock() - began
        kept = said if fate == "ok" else None
        answered.heard[member.name] = MemberReport(fate, 0.0, member.served.version, reason, elapsed, _first(kept))

    def _compare(self, candidate: Candidate, answered: _Answered, said: Array) -> None:
        """Raises: InvalidAnswer: what was said is no answer to this question."""
        outputs, report = answered.response.outputs, answered.response.report
        answer = outputs[PROBABILITIES] if self._labels else outputs[PREDICTIONS][:, None]
        if said.shape != answer.shape or not np.isfinite(said).all():
            raise InvalidAnswer(f"expected finite numbers {answer.shape}, got {said.shape}")
        instead = said
        if candidate.revote is not None and report.status != "fallback":  # behind which nobody stands
            instead = candidate.revote(report, said)
        rows = compared(answer, said, instead, self._labels, tolerance=self._tolerance)
        for origin in origins_of(answered.request):  # in an ensemble, several requests may be asked as one
            candidate.comparisons.compare(origin.id, islice(rows, origin.rows))


def _scores(member: Member, response: InferResponse) -> Array:
    """What a candidate says; one that is no model may say it in another form."""
    try:
        return member.scores(response)
    except (KeyError, IndexError) as error:
        raise InvalidAnswer("it gave neither probabilities nor numbers") from error


def _first(said: Array | None) -> Array | None:
    """As much of it as may be kept: a few rows, a copy."""
    if said is None:
        return None
    return said[: min(KEPT_ROWS, KEPT_NUMBERS // max(1, said.shape[1]))].copy()

"""Requests that share a fan-out: each keeps its own deadline, quorum, early answer and fate, and harms nobody."""

import asyncio
import gc

import numpy as np
import pytest
from msgspec.structs import replace

from aggregator.ensemble import Ensemble
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from aggregator.terms import Terms
from backends.batching import Batching
from backends.gathering import UNDER_WAY
from models.deadline import Deadline, deadline_after
from models.errors import LateInQueue, ModelFailed, NoQuorum, Overloaded
from models.types import PROBABILITIES, InferRequest, InferResponse, Parameters
from tests.fakes import now, serve, settle

TERMS = Terms()
POISON = 99.0  # a value that it fails on, with all that it is asked at once


class Reads:
    """A member that says of each row what stands in it, after `delay` seconds."""

    def __init__(self, delay: float = 0.0, *, poisoned: bool = False) -> None:
        self.delay = delay
        self.poisoned = poisoned
        self.begun: list[float] = []
        self.rows: list[int] = []
        self.deadlines: list[float] = []
        self.cancelled = 0

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        self.begun.append(now())
        self.rows.append(request.rows)
        self.deadlines.append(round(deadline, 2))
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        values = request.inputs["features"][:, 0]
        if self.poisoned and POISON in values:
            raise ModelFailed("it raised")
        says = (values != 0).astype(np.float64)
        return InferResponse({PROBABILITIES: np.stack((1 - says, says), axis=1)}, request.id)


def together(
    rule: str = "soft",
    *,
    max_rows: int = 64,
    max_waiting: int = 64,
    terms: Terms = TERMS,
    **members: Reads,
) -> Ensemble:
    served = [serve(name, member) for name, member in members.items()]
    whole, assembled = assemble(served, {}, ())
    batching = Batching(max_rows=max_rows, max_waiting=max_waiting)
    made = make_rule(rule, "classification", 2)
    return Ensemble(assembled, whole, made, terms, reaper=Reaper(), batching=batching, clock=now)


def row(*values: float, **asked: object) -> InferRequest:
    """One row for each of `values`."""
    features = np.array([[value, 0.0] for value in values], np.float32)
    return InferRequest({"features": features}, f"r{values[0]:g}", Parameters(**asked))  # type: ignore[arg-type]


def labels(response: InferResponse) -> list[int]:
    found: list[int] = response.outputs[PROBABILITIES].argmax(axis=1).tolist()
    return found


def fates(response: InferResponse) -> dict[str, str]:
    return {name: said.fate for name, said in response.report.members.items()}


async def under_way(ensemble: Ensemble) -> list[asyncio.Task[InferResponse]]:
    """As many batches as there may be at once, of one row each."""
    asked = []
    for _ in range(UNDER_WAY):
        asked.append(asyncio.create_task(ensemble(row(1), deadline_after(50))))
        await settle()
    return asked


async def test_those_who_come_at_once_are_asked_at_once_and_each_gets_its_own_rows() -> None:
    a, b = Reads(), Reads(1)
    ensemble = together(a=a, b=b)
    answers = await asyncio.gather(*(ensemble(one, deadline_after(5)) for one in (row(1, 0), row(0), row(1, 1, 0))))
    assert (a.rows, b.rows) == ([6], [6])
    assert [labels(one) for one in answers] == [[1, 0], [0], [1, 1, 0]]
    assert [one.id for one in answers] == ["r1", "r0", "r1"]
    assert all(one.report.status == "complete" for one in answers)
    assert [one.report.said("b").tolist() for one in answers][1] == [[1, 0]]  # type: ignore[union-attr]


async def test_each_leaves_at_its_own_deadline_with_what_has_come_by_then() -> None:
    slow = Reads(3)
    ensemble = together(a=Reads(), b=Reads(), c=slow)

    async def timed(seconds: float) -> tuple[float, str, str]:
        response = await ensemble(row(1), deadline_after(seconds))
        return round(now(), 2), response.report.status, fates(response)["c"]

    found = await asyncio.gather(timed(1), timed(5))
    assert list(found) == [(0.97, "partial", "late"), (3, "complete", "ok")]
    assert (slow.rows, slow.cancelled) == ([2], 0)
    assert slow.deadlines == [4.85]  # members have as long as the last who waits


async def test_each_has_its_own_quorum_and_leaves_early_or_not_as_it_asks() -> None:
    a, b, c = Reads(), Reads(1), Reads(2, poisoned=True)
    ensemble = together("hard", a=a, b=b, c=c, terms=Terms(early=False))
    more = InferRequest({"features": np.array([[POISON, 0]], np.float32)}, "all", Parameters(quorum=3))
    early, patient, failed = await asyncio.gather(
        ensemble(replace(more, parameters=Parameters(early=True)), deadline_after(2.5)),
        ensemble(replace(more, parameters=Parameters()), deadline_after(2.5)),
        ensemble(more, deadline_after(2.5)),
        return_exceptions=True,
    )
    assert isinstance(early, InferResponse)
    assert isinstance(patient, InferResponse)
    assert (early.report.status, fates(early)["c"]) == ("decided", "unneeded")
    assert (patient.report.status, fates(patient)["c"]) == ("partial", "failed")
    assert isinstance(failed, NoQuorum)
    assert (a.rows, c.rows) == ([3], [3])


async def test_who_is_cancelled_harms_nobody_and_the_last_one_takes_the_members_along() -> None:
    slow = Reads(2)
    ensemble = together(a=Reads(), b=slow)
    one, other = (asyncio.create_task(ensemble(row(value), deadline_after(5))) for value in (1, 0))
    await asyncio.sleep(1)
    one.cancel()
    response = await other
    assert (labels(response), response.report.status, slow.cancelled) == ([0], "complete", 0)
    third = asyncio.create_task(ensemble(row(1), deadline_after(5)))
    await asyncio.sleep(1)
    third.cancel()
    await asyncio.wait([one, third])
    await settle()
    assert slow.cancelled == 1


async def test_a_batch_that_one_input_spoils_is_asked_once_more_rider_by_rider() -> None:
    sound, touchy = Reads(), Reads(1, poisoned=True)
    ensemble = together(a=sound, b=Reads(), c=touchy)
    answers = await asyncio.gather(*(ensemble(row(value), deadline_after(50)) for value in (1, POISON, 0)))
    assert [fates(one)["c"] for one in answers] == ["ok", "failed", "ok"]
    assert [one.report.status for one in answers] == ["complete", "partial", "complete"]
    assert [labels(one) for one in answers] == [[1], [1], [0]]
    assert touchy.rows == sound.rows == [3, 1, 1, 1]


async def test_who_has_no_time_to_be_asked_once_more_takes_what_there_is() -> None:
    touchy = Reads(1, poisoned=True)
    ensemble = together(a=Reads(), b=Reads(), c=touchy)
    hurried, patient = await asyncio.gather(
        ensemble(row(1), deadline_after(1.9)), ensemble(row(POISON), deadline_after(50))
    )
    assert (hurried.report.status, fates(hurried)["c"]) == ("partial", "failed")
    assert fates(patient)["c"] == "failed"
    assert touchy.begun == [0, 1]
    assert touchy.rows == [2, 1]


async def test_who_is_late_before_its_batch_leaves_was_late_in_the_queue() -> None:
    slow = Reads(9)
    ensemble = together(a=slow)
    asked = await under_way(ensemble)
    with pytest.raises(LateInQueue, match="the deadline came before its batch left"):
        await ensemble(row(1), deadline_after(1))
    assert round(now(), 2) == 0.97
    assert slow.rows == [1] * UNDER_WAY
    assert {one.report.status for one in await asyncio.gather(*asked)} == {"complete"}


async def test_more_than_may_wait_are_refused_at_once() -> None:
    ensemble = together(max_waiting=2, a=Reads(9))
    asked = await under_way(ensemble)
    asked += [asyncio.create_task(ensemble(row(1), deadline_after(50))) for _ in range(2)]
    await settle()
    with pytest.raises(Overloaded, match="2 requests wait"):
        await ensemble(row(1), deadline_after(50))
    assert now() == 0
    assert len(await asyncio.gather(*asked)) == UNDER_WAY + 2


async def test_who_goes_away_before_its_batch_leaves_is_not_asked_about_and_makes_room() -> None:
    ensemble = together(max_waiting=1, a=(slow := Reads(9)))
    asked = await under_way(ensemble)
    gone = asyncio.create_task(ensemble(row(1, 1, 1), deadline_after(50)))
    await settle()
    gone.cancel()
    await settle()
    assert labels(await ensemble(row(0), deadline_after(50))) == [0]
    assert slow.rows == [1] * (UNDER_WAY + 1)
    await asyncio.wait([gone, *asked])


async def test_a_straggler_is_waited_for_only_as_long_again_as_the_others_took() -> None:
    ensemble = together(a=Reads(0.1), b=Reads(0.1), c=(straggler := Reads(20)))

    async def ask(after: float) -> None:
        await asyncio.sleep(after)
        await ensemble(row(1), deadline_after(5))

    await asyncio.gather(ask(0), ask(1), ask(1.05))
    assert np.allclose(straggler.begun, [0, 1, 1.2])


async def test_only_those_who_ask_the_same_members_share() -> None:
    a, b, c = Reads(), Reads(), Reads()
    ensemble = together(a=a, b=b, c=c)
    asked = [row(1), row(0, members=("a", "b")), row(1, members=("b", "a")), row(0)]
    answers = await asyncio.gather(*(ensemble(one, deadline_after(5)) for one in asked))
    assert (sorted(a.rows), sorted(b.rows), c.rows) == ([2, 2], [2, 2], [2])
    assert [labels(one) for one in answers] == [[1], [0], [1], [0]]
    assert [one.report.asked for one in answers] == [3, 2, 2, 3]


async def test_who_fills_a_batch_alone_waits_for_nobody_and_is_joined_by_nobody() -> None:
    ensemble = together(max_rows=4, a=(slow := Reads(9)))
    asked = await under_way(ensemble)
    asked += [asyncio.create_task(ensemble(row(*values), deadline_after(50))) for values in ([1, 0, 1, 0], [1])]
    await settle()
    assert slow.rows == [1] * UNDER_WAY + [4]
    assert labels((await asyncio.gather(*asked))[UNDER_WAY]) == [1, 0, 1, 0]


async def test_rows_that_together_are_too_many_leave_in_two_batches() -> None:
    ensemble = together(max_rows=4, a=(member := Reads(1)))
    answers = await asyncio.gather(*(ensemble(row(1, 0), deadline_after(50)) for _ in range(3)))
    assert member.rows == [4, 2]
    assert all(labels(one) == [1, 0] for one in answers)


async def test_what_a_batch_leaves_behind_goes_without_the_garbage_collector() -> None:
    ensemble = together(a=Reads(), b=Reads(1), c=Reads(2))
    gc.collect()
    gc.disable()  # else it may run meanwhile, and leave nothing to find
    try:
        answers = await asyncio.gather(*(ensemble(row(value), deadline_after(50)) for value in (0, 1, 2)))
        assert [labels(answer) for answer in answers] == [[0], [1], [1]]
        del answers
        await settle()
        assert gc.collect() == 0
    finally:
        gc.enable()

"""`first`, `min_agreement`, `fallback` and `required`, as an ensemble keeps them."""

import asyncio
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from aggregator.ensemble import Ensemble, Terms
from aggregator.fallback import fallback_of
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.base import Backend
from models.deadline import deadline_after
from models.errors import ConnectFailed, InputRejected, InvalidRequest, NoQuorum
from models.types import PREDICTIONS, PROBABILITIES, Array, InferResponse, Parameters, Signature
from tests.fakes import NUMBER, YES_NO, Fake, now, ones, serve, settle, sure

YES = fallback_of("yes", YES_NO)
DOWN = ConnectFailed("refused")


def vote(
    rule: str,
    terms: Terms,
    signature: Signature = YES_NO,
    required: tuple[str, ...] = (),
    **members: Backend,
) -> Ensemble:
    whole, assembled = assemble([serve(name, one, signature) for name, one in members.items()], {}, required)
    return Ensemble(
        assembled, whole, make_rule(rule, signature.task, len(signature.labels)), terms, reaper=Reaper(), clock=now
    )


def fates(response: InferResponse) -> dict[str, str]:
    return {name: said.fate for name, said in response.report.members.items()}


def columns(*labels: int) -> Fake:
    """A member that is certain of one label per row."""
    return Fake(np.eye(2)[list(labels)])


# first


@pytest.mark.parametrize(("signature", "said"), [(YES_NO, sure(1)), (NUMBER, np.array([4.5]))])
async def test_whoever_answers_first_is_the_answer_and_the_others_are_let_go(signature: Signature, said: Array) -> None:
    slow, slower = Fake(said, delay=5), Fake(said, delay=6)
    ensemble = vote("first", Terms(quorum=1), signature, a=slow, b=Fake(said, delay=1), c=slower)
    response = await ensemble(ones(), deadline_after(9))
    assert (response.report.status, response.report.degraded, now()) == ("decided", False, 1)
    assert fates(response) == {"a": "unneeded", "b": "ok", "c": "unneeded"}
    output = response.outputs[PROBABILITIES if signature.labels else PREDICTIONS]
    assert output.tolist() == said.tolist()
    await asyncio.sleep(0.02)
    assert (slow.cancelled, slower.cancelled) == (1, 1)


async def test_a_failure_is_not_a_first_answer() -> None:
    response = await vote("first", Terms(quorum=1), a=Fake(DOWN), b=Fake(sure(0), delay=1))(ones(), deadline_after(9))
    assert fates(response) == {"a": "failed", "b": "ok"}
    assert response.report.status == "partial"


async def test_who_waits_for_all_gets_the_first_in_the_configuration() -> None:
    ensemble = vote("first", Terms(quorum=1), a=Fake(sure(0), delay=3), b=Fake(sure(1)))
    response = await ensemble(replace(ones(), parameters=Parameters(early=False)), deadline_after(9))
    assert (response.outputs[PROBABILITIES].tolist(), response.report.status) == ([[1, 0]], "complete")


# min_agreement


async def test_rows_with_too_little_agreement_are_listed() -> None:
    terms = Terms(min_agreement=0.6)
    members: dict[str, Any] = {
        "a": columns(0, 0, 1),
        "b": columns(0, 1, 1),
        "c": columns(0, 0, 0),
        "d": columns(1, 1, 0),
    }
    response = await vote("hard", terms, **members)(ones(3), deadline_after(1))
    assert response.report.agreement is not None
    assert response.report.agreement.tolist() == [0.75, 0.5, 0.5]
    assert response.report.disagreed == (1, 2)
    assert (response.report.status, response.report.degraded) == ("complete", False)


async def test_as_much_agreement_as_asked_for_is_enough() -> None:
    members: dict[str, Any] = {name: columns(int(name in "ab")) for name in "abcde"}
    assert (await vote("hard", Terms(min_agreement=0.6), **members)(ones(), deadline_after(1))).report.disagreed == ()


async def test_without_min_agreement_nothing_is_listed() -> None:
    response = await vote("soft", Terms(), a=columns(0), b=columns(1), c=columns(1))(ones(), deadline_after(1))
    assert response.report.disagreed is None


async def test_who_could_still_disagree_is_waited_for_unless_the_request_leaves_early() -> None:
    ensemble = vote("hard", Terms(min_agreement=0.9), a=columns(1), b=columns(1), c=Fake(sure(0), delay=2))
    assert (await ensemble(ones(), deadline_after(9))).report.disagreed == (0,)
    assert now() == 2
    hasty = await ensemble(replace(ones(), parameters=Parameters(early=True)), deadline_after(9))
    assert (hasty.report.disagreed, hasty.report.status, now()) == ((), "decided", 2)


# fallback


async def test_the_fallback_leaves_at_once_when_the_quorum_is_out_of_reach() -> None:
    slow = Fake(sure(0), delay=9)
    ensemble = vote("soft", Terms(fallback=YES), a=Fake(DOWN), b=Fake(DOWN, delay=1), c=slow)
    response = await ensemble(ones(2), deadline_after(8))
    assert now() == 1
    assert response.outputs[PROBABILITIES].tolist() == [[0, 1], [0, 1]]
    report = response.report
    assert (report.status, report.degraded, report.answered, report.asked) == ("fallback", True, 0, 3)
    assert fates(response) == {"a": "failed", "b": "failed", "c": "unneeded"}
    assert report.agreement is not None
    assert report.entropy is not None
    assert (report.agreement.tolist(), report.entropy.tolist()) == ([0, 0], [0, 0])


async def test_the_fallback_leaves_at_the_freeze_when_members_are_late() -> None:
    slow = Fake(sure(0), delay=9)
    response = await vote("soft", Terms(fallback=YES), a=Fake(sure(0)), b=slow, c=slow)(ones(), deadline_after(1))
    assert now() == pytest.approx(0.97)
    assert fates(response) == {"a": "ok", "b": "late", "c": "late"}
    assert response.report.status == "fallback"
    assert response.outputs[PROBABILITIES].tolist() == [[0, 1]]
    await settle()
    assert slow.cancelled == 2


async def test_a_number_is_the_fallback_of_a_regression() -> None:
    terms = Terms(fallback=fallback_of(7.5, NUMBER))
    response = await vote("mean", terms, NUMBER, a=Fake(DOWN))(ones(2), deadline_after(1))
    assert response.outputs[PREDICTIONS].tolist() == [7.5, 7.5]
    assert (response.report.status, response.report.agreement) == ("fallback", None)


async def test_nobody_agrees_with_a_fallback() -> None:
    terms = Terms(fallback=YES, min_agreement=0.1)
    assert (await vote("soft", terms, a=Fake(DOWN))(ones(2), deadline_after(1))).report.disagreed == (0, 1)


async def test_with_a_quorum_there_is_no_fallback() -> None:
    response = await vote("soft", Terms(fallback=YES), a=columns(0), b=columns(0), c=Fake(DOWN))(
        ones(), deadline_after(1)
    )
    assert (response.report.status, response.outputs[PROBABILITIES].tolist()) == ("partial", [[1, 0]])


@pytest.mark.parametrize("error", [InputRejected("no"), InvalidRequest("no")])
async def test_there_is_no_fallback_for_an_input_that_the_members_refuse(error: Exception) -> None:
    slow = Fake(sure(0), delay=9)
    with pytest.raises(NoQuorum) as caught:
        await vote("soft", Terms(fallback=YES), a=Fake(error), b=Fake(error), c=slow)(ones(), deadline_after(1))
    assert caught.value.reason == "input_rejected"


async def test_one_that_is_down_beside_one_that_refuses_the_input_is_no_invalid_request() -> None:
    terms = Terms(quorum=1, fallback=YES)
    response = await vote("soft", terms, a=Fake(InputRejected("no")), b=Fake(DOWN))(ones(), deadline_after(1))
    assert response.report.status == "fallback"


@pytest.mark.parametrize("parameters", [Parameters(quorum=9), Parameters(members=("x",))])
async def test_there_is_no_fallback_for_a_request_that_cannot_be_met(parameters: Parameters) -> None:
    with pytest.raises(InvalidRequest):
        await vote("soft", Terms(fallback=YES), a=columns(0))(replace(ones(), parameters=parameters), deadline_after(1))


# required


async def test_a_subset_must_name_who_is_required() -> None:
    ensemble = vote("soft", Terms(), required=("b",), a=columns(0), b=columns(0), c=columns(0))
    with pytest.raises(InvalidRequest, match="'b' is required"):
        await ensemble(replace(ones(), parameters=Parameters(members=("a", "c"))), deadline_after(1))
    response = await ensemble(replace(ones(), parameters=Parameters(members=("a", "b"))), deadline_after(1))
    assert fates(response) == {"a": "ok", "b": "ok"}


async def test_a_quorum_that_only_disabled_members_keep_from_being_met_is_not_the_callers_fault() -> None:
    served = [serve(name, columns(0)) for name in "ab"]
    served[1].state.enabled = False
    whole, members = assemble(served, {}, ())
    ensemble = Ensemble(members, whole, make_rule("soft", "classification", 2), Terms(), reaper=Reaper())
    with pytest.raises(NoQuorum):
        await ensemble(replace(ones(), parameters=Parameters(quorum=2)), deadline_after(1))

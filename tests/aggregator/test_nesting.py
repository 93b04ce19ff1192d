"""Ensembles in ensembles."""

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
from models.errors import ConnectFailed, InputRejected, InvalidAnswer, InvalidRequest, NoQuorum
from models.types import PROBABILITIES, InferResponse, Parameters
from tests.fakes import YES_NO, Fake, now, ones, serve, sure

DOWN = ConnectFailed("refused")
PATIENT = Terms(early=False)


def vote(
    terms: Terms = PATIENT, weights: dict[str, float] | None = None, required: tuple[str, ...] = (), **members: Backend
) -> Ensemble:
    whole, assembled = assemble([serve(name, one) for name, one in members.items()], weights or {}, required)
    return Ensemble(assembled, whole, make_rule("hard", "classification", 2), terms, reaper=Reaper(), clock=now)


def reasons(response: InferResponse) -> dict[str, str]:
    return {name: f"{said.fate} {said.reason}".strip() for name, said in response.report.members.items()}


async def test_an_inner_one_that_is_partial_answers_in_time_and_makes_the_outer_degraded() -> None:
    inner = vote(a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(1), delay=9))
    response = await vote(inner=inner, d=Fake(sure(1)))(ones(), deadline_after(1))
    assert reasons(response) == {"inner": "ok", "d": "ok"}
    assert (response.report.status, response.report.degraded) == ("complete", True)
    assert now() == pytest.approx(0.97 * 0.97)


async def test_three_levels_answer_in_time() -> None:
    late = Fake(sure(1), delay=9)
    innermost = vote(Terms(quorum=1, early=False), a=Fake(sure(1)), b=late)
    response = await vote(outer=vote(inner=innermost, c=Fake(sure(1))), d=Fake(sure(1)))(ones(), deadline_after(1))
    assert (reasons(response), response.report.degraded) == ({"outer": "ok", "d": "ok"}, True)
    assert now() == pytest.approx(0.97**3)


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([DOWN, DOWN], "failed quorum"),
        ([InvalidAnswer("NaN"), DOWN], "failed quorum"),
        ([InputRejected("no"), InputRejected("no")], "failed input_rejected"),
    ],
)
async def test_an_inner_one_without_a_quorum_is_one_failed_member(errors: list[Exception], reason: str) -> None:
    inner = vote(a=Fake(errors[0]), b=Fake(errors[1]))
    response = await vote(inner=inner, d=Fake(sure(1)), e=Fake(sure(1)))(ones(), deadline_after(1))
    assert reasons(response) == {"inner": reason, "d": "ok", "e": "ok"}
    assert (response.report.status, response.report.answered, now()) == ("partial", 2, 0)


async def test_an_inner_one_that_is_late_is_one_late_member() -> None:
    inner = vote(a=Fake(sure(1), delay=9), b=Fake(sure(1), delay=9))
    response = await vote(inner=inner, d=Fake(sure(1)), e=Fake(sure(1)))(ones(), deadline_after(1))
    assert reasons(response)["inner"] == "late timeout"
    assert now() == pytest.approx(0.97 * 0.97)  # the inner one says so before the outer one must leave


async def test_an_input_that_all_levels_refuse_is_an_invalid_request() -> None:
    refused = InputRejected("no")
    with pytest.raises(NoQuorum) as caught:
        await vote(inner=vote(a=Fake(refused)), d=Fake(refused))(ones(), deadline_after(1))
    assert caught.value.reason == "input_rejected"


async def test_who_is_required_inside_is_missed_outside() -> None:
    inner = vote(required=("a",), a=Fake(DOWN), b=Fake(sure(1)), c=Fake(sure(1)))
    response = await vote(inner=inner, d=Fake(sure(1)), e=Fake(sure(1)))(ones(), deadline_after(1))
    assert reasons(response)["inner"] == "failed quorum"
    with pytest.raises(NoQuorum):
        await vote(required=("inner",), inner=inner, d=Fake(sure(1)), e=Fake(sure(1)))(ones(), deadline_after(1))


async def test_an_inner_one_has_the_weight_that_the_outer_one_gives_it() -> None:
    inner = vote(weights={"a": 100}, a=Fake(sure(0)), b=Fake(sure(1)))
    outer = vote(weights={"d": 2.5}, inner=inner, d=Fake(sure(1)), e=Fake(sure(0)))
    response = await outer(ones(), deadline_after(1))
    assert response.outputs[PROBABILITIES] == pytest.approx(np.array([[2 / 4.5, 2.5 / 4.5]]))


async def test_the_fallback_of_an_inner_one_is_its_vote_and_degrades_the_outer() -> None:
    inner = vote(Terms(fallback=fallback_of("yes", YES_NO)), a=Fake(DOWN))
    response = await vote(inner=inner, d=Fake(sure(1)))(ones(), deadline_after(1))
    assert (reasons(response)["inner"], response.report.degraded) == ("ok", True)
    assert response.outputs[PROBABILITIES].tolist() == [[0, 1]]


async def test_a_subset_and_a_quorum_are_asked_of_the_outer_one_only() -> None:
    inner = vote(a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(1)))
    outer = vote(inner=inner, d=Fake(sure(1)), e=Fake(sure(1)))
    asked = replace(ones(), parameters=Parameters(members=("inner",), quorum=1))
    response = await outer(asked, deadline_after(1))
    assert reasons(response) == {"inner": "ok"}
    with pytest.raises(InvalidRequest, match="no member 'inner/a'"):
        await outer(replace(ones(), parameters=Parameters(members=("inner/a",))), deadline_after(1))

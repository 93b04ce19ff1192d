import asyncio

import numpy as np
import pytest
from msgspec.structs import replace

from aggregator.ensemble import Ensemble, Terms, freeze_time
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.base import Backend
from models.deadline import Deadline, deadline_after
from models.errors import ConnectFailed, InvalidAnswer, InvalidRequest, NoQuorum
from models.types import NO_PARAMETERS, PREDICTIONS, PROBABILITIES, InferResponse, Parameters, Signature
from tests.fakes import NUMBER, YES_NO, Fake, now, ones, serve, settle, sure

REAPER = Reaper()


def vote(
    rule: str = "hard",
    signature: Signature = YES_NO,
    terms: Terms = Terms(),  # noqa: B008 - frozen
    weights: dict[str, float] | None = None,
    required: tuple[str, ...] = (),
    reaper: Reaper = REAPER,
    **members: Backend,
) -> Ensemble:
    served = [serve(name, backend, signature) for name, backend in members.items()]
    whole, assembled = assemble(served, weights or {}, required)
    made = make_rule(rule, signature.task, len(signature.labels))
    return Ensemble(assembled, whole, made, terms, reaper=reaper, clock=now)


def fates(response: InferResponse) -> dict[str, str]:
    return {name: said.fate for name, said in response.report.members.items()}


def label(response: InferResponse) -> int:
    return int(response.outputs[PROBABILITIES].argmax())


async def test_everyone_who_answers_is_counted() -> None:
    response = await vote(a=Fake(sure(1)), b=Fake(sure(1), delay=1), c=Fake(sure(0), delay=2))(
        replace(ones(), parameters=Parameters(early=False)), deadline_after(5)
    )
    assert label(response) == 1
    assert response.outputs[PROBABILITIES].tolist() == [[1 / 3, 2 / 3]]
    assert response.report.status == "complete"
    assert not response.report.degraded
    assert response.report.agreement is not None
    assert response.report.agreement.tolist() == [2 / 3]
    assert [said.elapsed for said in response.report.members.values()] == [0, 1, 2]
    assert now() == 2


async def test_returns_as_soon_as_the_vote_is_decided() -> None:
    slow = Fake(sure(0), delay=9)
    response = await vote(a=Fake(sure(1)), b=Fake(sure(1), delay=1), c=slow)(ones(), deadline_after(5))
    assert label(response) == 1
    assert fates(response) == {"a": "ok", "b": "ok", "c": "unneeded"}
    assert (response.report.status, response.report.degraded) == ("decided", False)
    assert now() == 1
    await asyncio.sleep(0.011)
    assert slow.cancelled == 1


async def test_who_is_nearly_done_may_finish_after_a_decided_answer() -> None:
    nearly = Fake(sure(0), delay=1.005)
    await vote(a=Fake(sure(1)), b=Fake(sure(1), delay=1), c=nearly)(ones(), deadline_after(5))
    await asyncio.sleep(1)
    assert nearly.cancelled == 0


async def test_averages_do_not_leave_early_unless_asked() -> None:
    a, b, c = Fake(sure(1)), Fake(sure(1), delay=1), Fake(sure(1), delay=3)
    await vote("soft", a=a, b=b, c=c)(ones(), deadline_after(5))
    assert now() == 3
    response = await vote("soft", terms=Terms(early=True), a=a, b=b, c=c)(ones(), deadline_after(5))
    assert now() == 4
    assert response.report.status == "decided"


async def test_the_answer_leaves_at_the_deadline_with_whoever_answered() -> None:
    slow = Fake(sure(0), delay=90)
    response = await vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=slow)(ones(), deadline_after(1))
    assert now() == pytest.approx(0.97)
    assert fates(response) == {"a": "ok", "b": "ok", "c": "late"}
    assert response.report.members["c"].reason == "timeout"
    assert (response.report.status, response.report.degraded, response.report.answered) == ("partial", True, 2)
    await settle()
    assert slow.cancelled == 1


async def test_a_member_that_resists_cancellation_holds_up_nobody() -> None:
    stubborn = Fake(sure(0), delay=90, stubborn=50)
    await vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=stubborn)(ones(), deadline_after(1))
    assert now() == pytest.approx(0.97)
    await settle()
    assert len(REAPER) == 1
    await asyncio.sleep(51)
    assert len(REAPER) == 0


async def test_a_failed_member_is_no_vote_and_the_others_answer() -> None:
    response = await vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(InvalidAnswer("HTML")))(
        ones(), deadline_after(1)
    )
    assert response.outputs[PROBABILITIES].tolist() == [[0, 1]]
    assert fates(response)["c"] == "failed"
    assert response.report.members["c"].reason == "invalid"
    assert (response.report.status, now()) == ("partial", 0)


async def test_the_error_leaves_at_once_when_the_quorum_is_out_of_reach() -> None:
    slow = Fake(sure(1), delay=9)
    with pytest.raises(NoQuorum) as caught:
        await vote(a=Fake(ConnectFailed("refused")), b=Fake(ConnectFailed("refused"), delay=1), c=slow)(
            ones(), deadline_after(5)
        )
    assert now() == 1
    assert (caught.value.fate, caught.value.report.members["c"].fate) == ("failed", "unneeded")


async def test_too_few_at_the_deadline_is_late() -> None:
    with pytest.raises(NoQuorum, match="1 of 3 members answered, the quorum is 2") as caught:
        await vote(a=Fake(sure(1)), b=Fake(sure(1), delay=9), c=Fake(sure(1), delay=9))(ones(), deadline_after(1))
    assert caught.value.fate == "late"
    assert now() == pytest.approx(0.97)


async def test_a_required_member_is_waited_for_and_missed() -> None:
    with pytest.raises(NoQuorum):
        await vote(a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(1), delay=9), required=("c",))(
            ones(), deadline_after(1)
        )
    with pytest.raises(NoQuorum):
        await vote(a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(ConnectFailed("no")), required=("c",))(
            ones(), deadline_after(1)
        )
    assert now() == pytest.approx(0.97)


async def test_a_disabled_member_is_not_asked_and_not_missed() -> None:
    served = [serve(name, Fake(sure(1))) for name in "abc"]
    served[2].state.enabled = False
    whole, members = assemble(served, {}, ())
    ensemble = Ensemble(members, whole, make_rule("hard", "classification", 2), Terms(), reaper=REAPER)
    response = await ensemble(ones(), deadline_after(1))
    assert fates(response) == {"a": "ok", "b": "ok"}
    assert (response.report.status, response.report.asked) == ("complete", 2)


async def test_a_request_may_name_a_subset_a_quorum_and_when_to_leave() -> None:
    ensemble = vote(a=Fake(sure(1)), b=Fake(sure(0)), c=Fake(sure(1), delay=1))
    subset = await ensemble(replace(ones(), parameters=Parameters(members=("c", "a"))), deadline_after(5))
    assert fates(subset) == {"a": "ok", "c": "ok"}
    single = await ensemble(replace(ones(), parameters=Parameters(quorum=1, members=("b",))), deadline_after(5))
    assert label(single) == 0


async def test_a_subset_of_fewer_than_the_quorum_needs_all_it_names() -> None:
    ensemble = vote(a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(0)), terms=Terms(quorum=3))
    response = await ensemble(replace(ones(), parameters=Parameters(members=("a", "b"))), deadline_after(5))
    assert (response.report.status, response.report.quorum) == ("complete", 2)


@pytest.mark.parametrize(
    ("parameters", "where"),
    [
        (Parameters(members=("a", "forrest")), "$.parameters.members[1]"),
        (Parameters(quorum=4), "$.parameters.quorum"),
        (Parameters(quorum=0), "$.parameters.quorum"),
        (Parameters(quorum=2, members=("a",)), "$.parameters.quorum"),
    ],
)
async def test_what_a_request_cannot_ask_for_is_named(parameters: Parameters, where: str) -> None:
    member = Fake(sure(1))
    with pytest.raises(InvalidRequest) as caught:
        await vote(a=member, b=member, c=member)(replace(ones(), parameters=parameters), deadline_after(1))
    assert caught.value.where == where
    assert not member.calls


async def test_a_caller_that_goes_away_cancels_its_fan_out() -> None:
    a, b, c = (Fake(sure(1), delay=9) for _ in range(3))
    task = asyncio.create_task(vote(a=a, b=b, c=c)(ones(), deadline_after(20)))
    await settle()
    task.cancel()
    await settle()
    assert [member.cancelled for member in (a, b, c)] == [1, 1, 1]
    assert len(REAPER) == 0


async def test_members_get_the_frozen_time_and_nothing_that_was_meant_for_the_ensemble() -> None:
    member = Fake(sure(1))
    await vote(a=member)(replace(ones(), parameters=Parameters(quorum=1)), deadline_after(1))
    ((request, deadline),) = member.calls
    assert deadline == pytest.approx(0.97)
    assert request.parameters == NO_PARAMETERS


async def test_an_ensemble_in_an_ensemble_answers_in_time_for_the_outer_one() -> None:
    inner = vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(1), delay=9))
    outer = vote("soft", inner=inner, d=Fake(sure(1)))
    response = await outer(ones(), deadline_after(1))
    assert fates(response) == {"inner": "ok", "d": "ok"}
    assert response.report.degraded  # for the inner one is
    assert now() == pytest.approx(0.97 * 0.97)


async def test_labels_are_aligned_by_name() -> None:
    other = Signature("classification", YES_NO.inputs, YES_NO.outputs, ("yes", "no"))
    served = [serve("a", Fake([[0.1, 0.9]])), serve("b", Fake([[0.8, 0.2]]), other)]
    whole, members = assemble(served, {}, ())
    ensemble = Ensemble(members, whole, make_rule("soft", "classification", 2), Terms(), reaper=REAPER)
    response = await ensemble(ones(), deadline_after(1))
    assert response.outputs[PROBABILITIES] == pytest.approx(np.array([[0.15, 0.85]]))


async def test_weights_count() -> None:
    response = await vote(a=Fake(sure(1)), b=Fake(sure(0)), c=Fake(sure(0)), weights={"a": 2.5})(
        replace(ones(), parameters=Parameters(early=False)), deadline_after(1)
    )
    assert label(response) == 1


async def test_a_regression_has_no_labels_to_agree_on() -> None:
    response = await vote("mean", NUMBER, a=Fake([1.0]), b=Fake([2.0]), c=Fake([6.0]))(ones(), deadline_after(1))
    assert response.outputs[PREDICTIONS].tolist() == [3.0]
    assert response.report.agreement is None


async def test_an_answer_of_another_shape_is_no_vote() -> None:
    response = await vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(1, rows=3)))(ones(), deadline_after(1))
    assert response.report.members["c"].reason == "invalid"


async def test_a_bug_in_a_member_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    response = await vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(ZeroDivisionError("oh")))(
        ones(), deadline_after(1)
    )
    assert fates(response)["c"] == "failed"
    assert "member c failed by a bug" in caplog.text


async def test_a_member_that_cancels_itself_holds_up_nobody() -> None:
    response = await vote("soft", a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(asyncio.CancelledError()))(
        ones(), deadline_after(1)
    )
    assert (fates(response)["c"], now()) == ("failed", 0)


@pytest.mark.parametrize(("seconds", "reserve"), [(10.0, 0.3), (0.05, 0.002), (0.004, 0.001)])
async def test_the_reserve_is_a_share_of_what_remains(seconds: float, reserve: float) -> None:
    assert freeze_time(deadline_after(seconds)) == pytest.approx(seconds - reserve)


async def test_the_reaper_is_bounded() -> None:
    reaper = Reaper(capacity=2)
    slow = [Fake(sure(1), delay=9) for _ in range(3)]
    tasks = [asyncio.ensure_future(_ask(member)) for member in slow]
    await settle()
    reaper.adopt(tasks, linger=5)
    await settle()
    assert [member.cancelled for member in slow] == [1, 1, 1]
    assert now() == 0


async def _ask(member: Fake) -> InferResponse:
    return await member(ones(), Deadline(10))

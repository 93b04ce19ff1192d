import asyncio
from collections.abc import Mapping

import numpy as np
import pytest
from msgspec.structs import replace

from aggregator.cascade import Cascade, Stage
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from aggregator.stages import Sureness
from backends.base import Backend
from backends.batching import Batching
from models.deadline import Deadline, deadline_after
from models.errors import ConnectFailed, InputRejected, InvalidRequest, NoQuorum
from models.types import (
    NO_PARAMETERS,
    PREDICTIONS,
    PROBABILITIES,
    Array,
    InferRequest,
    InferResponse,
    Parameters,
    Signature,
)
from tests.aggregator.test_ensemble import vote
from tests.fakes import NUMBER, YES_NO, Fake, now, ones, serve, settle, sure

AGREED = Sureness(min_agreement=1.0, min_confidence=0.5)
DOWN = ConnectFailed("refused")


def cascade(
    *stages: Mapping[str, Backend],
    rule: str = "soft",
    signature: Signature = YES_NO,
    sureness: Sureness = AGREED,
    quorum: int | None = None,
    early: bool = False,
    batching: Batching | None = None,
    off: tuple[str, ...] = (),
) -> Cascade:
    served = {name: serve(name, backend, signature) for stage in stages for name, backend in stage.items()}
    for name in off:
        served[name].state.enabled = False
    whole, members = assemble(list(served.values()), {}, ())
    named = {member.name: member for member in members}
    made = make_rule(rule, signature.task, len(signature.labels))
    grouped = [Stage(tuple(named[name] for name in stage), quorum) for stage in stages]
    return Cascade(grouped, whole, made, sureness, reaper=Reaper(), early=early, batching=batching, clock=now)


def said(response: InferResponse) -> list[list[float]]:
    return [[round(value, 6) for value in row] for row in response.outputs[PROBABILITIES].tolist()]


def fates(response: InferResponse) -> dict[str, str]:
    return {name: one.fate for name, one in response.report.members.items()}


def stages_of(response: InferResponse) -> list[int]:
    assert response.report.stages is not None
    decided: list[int] = response.report.stages.tolist()
    return decided


def rows_of(fake: Fake) -> list[int]:
    """How many rows each call had."""
    return [request.rows for request, _ in fake.calls]


async def test_the_dear_are_not_asked_when_the_cheap_are_sure() -> None:
    dear = Fake(sure(0), delay=1)
    response = await cascade({"a": Fake(sure(1)), "b": Fake(sure(1))}, {"c": dear})(ones(), deadline_after(5))
    assert (said(response), stages_of(response), now()) == ([[0, 1]], [1], 0)
    assert not dear.calls
    report = response.report
    assert fates(response) == {"a": "ok", "b": "ok", "c": "unneeded"}
    assert (report.status, report.degraded, report.asked, report.answered) == ("complete", False, 2, 2)
    assert report.members["c"].elapsed is None


async def test_the_dear_are_asked_when_the_cheap_disagree_and_all_votes_count() -> None:
    a, b, c = Fake([[0.2, 0.8]]), Fake([[0.9, 0.1]], delay=1), Fake([[0.4, 0.6]], delay=2)
    response = await cascade({"a": a, "b": b}, {"c": c})(ones(), deadline_after(9))
    assert (said(response), stages_of(response), now()) == ([[0.5, 0.5]], [2], 3)
    assert [len(one.calls) for one in (a, b, c)] == [1, 1, 1]
    report = response.report
    assert (report.status, report.asked, report.answered) == ("complete", 3, 3)
    assert report.agreement is not None
    assert report.agreement.tolist() == pytest.approx([1 / 3])
    where = {name: (one.stage, one.after, one.elapsed) for name, one in report.members.items()}
    assert where == {"a": (1, 0, 0), "b": (1, 0, 1), "c": (2, 1, 2)}
    assert report.settled is not None
    assert (report.settled.by, report.settled.elapsed, report.settled.late) == ("c", 3, False)


async def test_the_dear_are_asked_when_the_cheap_agree_and_are_not_confident() -> None:
    unsure = Sureness(min_agreement=1.0, min_confidence=0.9)
    response = await cascade({"a": Fake([[0.2, 0.8]]), "b": Fake([[0.3, 0.7]])}, {"c": Fake(sure(1))}, sureness=unsure)(
        ones(), deadline_after(5)
    )
    assert stages_of(response) == [2]


async def test_only_the_rows_that_are_not_sure_go_on() -> None:
    cheap = [[0.1, 0.9], [0.5, 0.5], [0.9, 0.1]]
    dear = Fake([[0.0, 1.0]])
    request = replace(ones(3), inputs={"features": np.arange(6, dtype=np.float32).reshape(3, 2)})
    whole = cascade({"a": Fake(cheap)}, {"b": dear}, sureness=Sureness(1.0, 0.8))
    response = await whole(request, deadline_after(5))
    assert (said(response), stages_of(response)) == ([[0.1, 0.9], [0.25, 0.75], [0.9, 0.1]], [1, 2, 1])
    ((asked, _),) = dear.calls
    assert asked.inputs["features"].tolist() == [[2, 3]]
    scores = response.report.members["b"].scores
    assert scores is not None
    assert np.isnan(scores).all(axis=1).tolist() == [True, False, True]
    assert response.report.agreement is not None
    assert response.report.agreement.tolist() == [1, 0.5, 1]


async def test_three_stages_ask_no_more_than_they_need() -> None:
    first, second, third = Fake([[0.5, 0.5], [0, 1]]), Fake([[0.0, 1.0]]), Fake([[0.0, 1.0]])
    whole = cascade({"a": first}, {"b": second}, {"c": third}, sureness=Sureness(0.5, 0.7))
    response = await whole(ones(2), deadline_after(5))
    assert (stages_of(response), rows_of(first), rows_of(second), third.calls) == ([2, 1], [2], [1], [])


async def test_regressions_go_on_by_their_spread() -> None:
    dear = Fake([9.0])
    whole = cascade(
        {"a": Fake([1.0, 1.0]), "b": Fake([1.5, 5.0])},
        {"c": dear},
        rule="mean",
        signature=NUMBER,
        sureness=Sureness(max_spread=0.5),
    )
    response = await whole(ones(2), deadline_after(5))
    assert (response.outputs[PREDICTIONS].tolist(), stages_of(response)) == ([1.25, 5.0], [1, 2])
    assert response.report.agreement is None


async def test_dear_members_that_are_late_leave_the_answer_of_the_cheap() -> None:
    dear = Fake(sure(1), delay=90)
    response = await cascade({"a": Fake(sure(1)), "b": Fake(sure(0))}, {"c": dear})(ones(), deadline_after(1))
    assert (said(response), stages_of(response)) == ([[0.5, 0.5]], [1])
    report = response.report
    assert (report.status, report.degraded, report.quorum) == ("partial", True, 2)
    assert (report.members["c"].fate, report.members["c"].reason) == ("late", "timeout")
    assert now() == pytest.approx(0.97)
    await settle()
    assert dear.cancelled == 1


async def test_dear_members_that_fail_leave_the_answer_of_the_cheap_at_once() -> None:
    response = await cascade({"a": Fake(sure(1)), "b": Fake(sure(0))}, {"c": Fake(DOWN)})(ones(), deadline_after(1))
    assert (said(response), fates(response)["c"], response.report.status, now()) == (
        [[0.5, 0.5]],
        "failed",
        "partial",
        0,
    )


async def test_rows_that_were_sure_do_not_hide_that_the_others_are_degraded() -> None:
    cheap = Fake([[0.0, 1.0], [0.5, 0.5]])
    response = await cascade({"a": cheap}, {"b": Fake(DOWN)}, sureness=Sureness(1.0, 0.9))(ones(2), deadline_after(1))
    assert (stages_of(response), response.report.degraded) == ([1, 1], True)


async def test_cheap_members_that_fail_are_no_answer_and_the_dear_are_asked() -> None:
    response = await cascade({"a": Fake(DOWN, delay=0.1), "b": Fake(sure(0))}, {"c": Fake(sure(1))})(
        ones(), deadline_after(1)
    )
    assert (said(response), stages_of(response)) == ([[0.5, 0.5]], [2])  # what b said counts all the same
    assert (response.report.status, response.report.answered, now()) == ("partial", 2, 0.1)


async def test_a_cheap_member_that_hangs_leaves_the_dear_half_of_the_time() -> None:
    dear = Fake(sure(1), delay=0.3)
    response = await cascade({"a": Fake(sure(1)), "b": Fake(sure(1), delay=90)}, {"c": dear}, quorum=1)(
        ones(), deadline_after(1)
    )
    assert stages_of(response) == [1]  # a alone is sure, and has a quorum
    assert now() == pytest.approx(0.485)
    unsure = cascade({"a": Fake(sure(1)), "b": Fake(sure(1), delay=90)}, {"c": dear}, sureness=Sureness(2.0), quorum=1)
    response = await unsure(ones(), deadline_after(1))
    assert (stages_of(response), response.report.status) == ([2], "partial")
    assert now() == pytest.approx(0.485 + 0.485 + 0.3)


async def test_no_quorum_anywhere_is_an_error_with_everyones_fate() -> None:
    whole = cascade({"a": Fake(DOWN, delay=0.1), "b": Fake(sure(0))}, {"c": Fake(DOWN)})
    with pytest.raises(NoQuorum, match="1 of 3 members answered") as caught:
        await whole(ones(), deadline_after(1))
    assert [one.fate for one in caught.value.report.members.values()] == ["failed", "ok", "failed"]
    assert caught.value.fate == "failed"


async def test_an_input_that_all_refuse_is_rejected() -> None:
    refused = InputRejected("no")
    with pytest.raises(NoQuorum) as caught:
        await cascade({"a": Fake(refused)}, {"b": Fake(refused)})(ones(), deadline_after(1))
    assert caught.value.reason == "input_rejected"


async def test_a_disabled_stage_is_passed_over() -> None:
    off = Fake(sure(0))
    response = await cascade({"a": off}, {"b": Fake(sure(1))}, off=("a",))(ones(), deadline_after(1))
    assert (said(response), stages_of(response), off.calls) == ([[0, 1]], [2], [])
    only = await cascade({"a": Fake(sure(1))}, {"b": off}, off=("b",))(ones(), deadline_after(1))
    assert (fates(only), only.report.degraded) == ({"a": "ok"}, False)


async def test_a_request_may_name_the_members_that_it_wants() -> None:
    whole = cascade({"a": Fake(sure(1)), "b": Fake(sure(0))}, {"c": Fake(sure(0)), "d": Fake(sure(1))})
    cheap = await whole(replace(ones(), parameters=Parameters(members=("a",))), deadline_after(1))
    assert (fates(cheap), stages_of(cheap)) == ({"a": "ok"}, [1])
    dear = await whole(replace(ones(), parameters=Parameters(members=("d",))), deadline_after(1))
    assert (fates(dear), stages_of(dear), said(dear)) == ({"d": "ok"}, [2], [[0, 1]])


async def test_a_request_may_name_a_quorum_for_each_stage() -> None:
    whole = cascade({"a": Fake(sure(1)), "b": Fake(DOWN)}, {"c": Fake(sure(0))})
    response = await whole(replace(ones(), parameters=Parameters(quorum=1)), deadline_after(1))
    assert (stages_of(response), response.report.quorum) == ([1], 1)
    response = await whole(replace(ones(), parameters=Parameters(quorum=2)), deadline_after(1))
    assert stages_of(response) == [2]


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
        await cascade({"a": member, "b": member}, {"c": member})(
            replace(ones(), parameters=parameters), deadline_after(1)
        )
    assert (caught.value.where, member.calls) == (where, [])


async def test_a_row_may_leave_when_nobody_to_come_can_change_its_label() -> None:
    cheap = {"a": Fake(sure(1)), "b": Fake(sure(1)), "c": Fake(sure(0))}
    dear = Fake(sure(0))
    assert stages_of(await cascade(cheap, {"d": dear}, rule="hard")(ones(), deadline_after(1))) == [2]
    asked = replace(ones(), parameters=Parameters(early=True))
    response = await cascade(cheap, {"d": Fake(sure(0))}, rule="hard")(asked, deadline_after(1))
    assert stages_of(response) == [2]  # 2 to 2 would be a tie, which the first label wins
    three = {**cheap, "e": Fake(sure(1))}
    assert stages_of(await cascade(three, {"d": dear}, rule="hard")(asked, deadline_after(1))) == [1]
    assert stages_of(await cascade(three, {"d": dear}, rule="hard", early=True)(ones(), deadline_after(1))) == [1]


async def test_a_caller_that_goes_away_cancels_the_stage_that_is_under_way() -> None:
    first, second, third = Fake([[0.5, 0.5]]), Fake(sure(1), delay=9), Fake(sure(1))
    whole = cascade({"a": first}, {"b": second}, {"c": third}, sureness=Sureness(1.0, 0.9))
    task = asyncio.create_task(whole(ones(), deadline_after(50)))
    await settle()
    await settle()
    task.cancel()
    await settle()
    assert (task.cancelled(), second.cancelled, third.calls) == (True, 1, [])


async def test_members_get_nothing_that_was_meant_for_the_cascade() -> None:
    member = Fake(sure(1))
    await cascade({"a": member}, {"b": member})(replace(ones(), parameters=Parameters(explain=True)), deadline_after(1))
    assert member.calls[0][0].parameters == NO_PARAMETERS


async def test_it_nests_in_an_ensemble_and_an_ensemble_in_it() -> None:
    inner = vote("soft", a=Fake(sure(1)), b=Fake(sure(0)))
    middle = cascade({"inner": inner}, {"c": Fake(sure(1), delay=0.1)}, sureness=Sureness(1.0, 0.9))
    response = await vote("soft", middle=middle, d=Fake(sure(1)))(ones(), deadline_after(1))
    report = response.report.members["middle"].report
    assert report is not None
    assert report.stages is not None
    assert (report.stages.tolist(), said(response), now()) == ([2], [[0.125, 0.875]], 0.1)


async def test_an_inner_answer_that_is_degraded_degrades_the_whole() -> None:
    response = await cascade({"a": Fake(sure(1), degraded=True)}, {"b": Fake(sure(1))})(ones(), deadline_after(1))
    assert (response.report.status, response.report.degraded) == ("complete", True)


async def test_it_can_answer_while_one_stage_can() -> None:
    whole = cascade({"a": Fake(sure(1)), "b": Fake(sure(1))}, {"c": Fake(sure(1))})

    def ready(*names: str) -> bool:
        return whole.answerable(lambda served: served.name in names)

    assert (ready("c"), ready("a", "b"), ready("a"), ready()) == (True, True, False, False)


@pytest.mark.parametrize("stages", [[{"a": Fake(sure(1))}], [{"a": Fake(sure(1))}, {}]])
async def test_one_stage_is_no_cascade(stages: list[dict[str, Backend]]) -> None:
    with pytest.raises(ValueError, match="two stages"):
        cascade(*stages)


async def test_the_answer_over_all_stages_is_that_of_one_ensemble_of_all() -> None:
    random = np.random.default_rng(1)
    votes: list[Array] = [random.dirichlet([1, 1], 5) for _ in range(4)]
    a, b, c, d = map(Fake, votes)
    never = Sureness(min_agreement=2.0)
    for rule in ("hard", "soft", "log_pool"):
        staged = await cascade({"a": a, "b": b}, {"c": c, "d": d}, rule=rule, sureness=never)(
            ones(5), deadline_after(1)
        )
        whole = await vote(rule, a=a, b=b, c=c, d=d)(
            replace(ones(5), parameters=Parameters(early=False)), deadline_after(1)
        )
        assert staged.outputs[PROBABILITIES].tolist() == whole.outputs[PROBABILITIES].tolist()
        assert staged.report.agreement is not None
        assert whole.report.agreement is not None
        assert staged.report.agreement.tolist() == whole.report.agreement.tolist()


class Echo(Fake):
    """Says of each row what its first feature is: how probable the second label."""

    async def __call__(self, request: InferRequest, deadline: Deadline) -> InferResponse:
        await super().__call__(request, deadline)
        probable = request.inputs["features"][:, 0].astype(np.float64)
        return InferResponse({PROBABILITIES: np.stack([1 - probable, probable], axis=1)}, request.id)


def rows(*probable: float) -> InferRequest:
    features = np.array([[one, 0] for one in probable], np.float32)
    return InferRequest({"features": features}, "the-id")


async def test_requests_that_share_a_stage_go_on_with_their_own_rows() -> None:
    cheap, dear = Echo(sure(1), delay=1), Echo(sure(1), delay=1)
    whole = cascade({"a": cheap}, {"b": dear}, sureness=Sureness(1.0, 0.9), batching=Batching(max_rows=8))
    await whole(rows(1), deadline_after(9))  # how long it takes is known from then on
    asked = [rows(1), rows(0.25), rows(0, 0.5, 0.75)]
    responses = await asyncio.gather(*(whole(request, deadline_after(9)) for request in asked))
    assert [stages_of(response) for response in responses] == [[1], [2], [1, 2, 2]]
    assert [said(response) for response in responses] == [
        [[0, 1]],
        [[0.75, 0.25]],
        [[1, 0], [0.5, 0.5], [0.25, 0.75]],
    ]
    assert (sum(rows_of(cheap)), sum(rows_of(dear))) == (6, 3)
    assert len(cheap.calls) < 4


async def test_a_stage_whose_turn_does_not_come_is_late_in_the_queue() -> None:
    cheap, dear = Fake(sure(1), delay=9), Fake(sure(1))
    whole = cascade({"a": cheap}, {"b": dear}, batching=Batching(max_rows=2))
    going = []
    for _ in range(8):
        going.append(asyncio.create_task(whole(ones(), deadline_after(50))))
        await settle()
    response = await whole(ones(), deadline_after(1))
    assert (stages_of(response), response.report.status, response.report.degraded) == ([2], "partial", True)
    assert response.report.members["a"].reason == "queue"
    assert now() == pytest.approx(0.485)
    assert [stages_of(one) for one in await asyncio.gather(*going)] == [[1]] * 8

"""One of several backends, row by row."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.alignment import aligned
from backends.base import Backend
from backends.routing import Branch, Choice, Routing
from backends.served import Served
from models.deadline import deadline_after
from models.errors import BackendError, ConnectFailed, DeadlineExceeded, InvalidRequest, NoQuorum
from models.types import PROBABILITIES, Array, InferRequest, Origin, Parameters, Report, TensorSpec, classifier, joined
from tests.fakes import FEATURES, NUMBER, YES_NO, Fake, now, ones, serve, settle, sure

YES_FIRST = classifier((FEATURES,), ("yes", "no"))
TERMS = frozenset({"quorum", "early", "members"})


class Echo:
    """Says of each row what stands in its first column; (n, 2)."""

    def __init__(self) -> None:
        self.heard: list[Array] = []

    async def __call__(self, request: InferRequest, _deadline: float) -> Any:
        own = next(iter(request.inputs.values()))
        self.heard.append(own)
        share = own[:, :1].astype(np.float64) / 10
        return await Fake(np.hstack([1 - share, share]))(request, _deadline)  # type: ignore[arg-type]


def voted(**members: Backend) -> Served:
    signature, assembled = assemble([serve(name, one) for name, one in members.items()], {}, ())
    rule = make_rule("hard", "classification", 2)
    ensemble = Ensemble(assembled, signature, rule, Terms(early=False), reaper=Reaper(), clock=now)
    return replace(serve("vote", ensemble, signature), takes=TERMS)


def routing(choice: Choice, *served: Served, let_go: list[Any] | None = None) -> Routing:
    _, each = aligned(served)

    async def choose(_request: InferRequest) -> Choice:
        return choice

    def release(tasks: Collection[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        if let_go is not None:
            let_go.extend(tasks)

    return Routing([Branch(one) for one in each], choose, word="branch", let_go=release, clock=now)


def rows(*firsts: float) -> InferRequest:
    return InferRequest({"features": np.array([[first, 0] for first in firsts], np.float32)}, "the-id")


def parts(report: Report | None) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    assert report is not None
    return {part.name: (f"{part.fate} {part.reason}".strip(), part.rows) for part in report.parts}


async def failure(routed: Routing, request: InferRequest) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await routed(request, deadline_after(1))
    return caught.value


async def test_one_branch_is_asked_about_all_rows_and_the_other_not_at_all() -> None:
    a, b = Fake(sure(0)), Fake(sure(1), delay=0.25)
    response = await routing(1, serve("a", a), serve("b", b))(ones(), deadline_after(1))
    assert (len(a.calls), response.outputs[PROBABILITIES].tolist(), response.id) == (0, [[0, 1]], "the-id")
    assert parts(response.report) == {"b": ("ok", None)}
    assert (response.report.parts[0].began, response.report.parts[0].elapsed) == (0, 0.25)


async def test_rows_are_asked_of_whom_they_belong_to_and_come_back_in_order() -> None:
    a, b = Echo(), Echo()
    response = await routing(np.array([1, 0, 1, 0]), serve("a", a), serve("b", b))(rows(1, 2, 3, 4), deadline_after(1))
    assert [one.heard[0][:, 0].tolist() for one in (a, b)] == [[2, 4], [1, 3]]
    assert response.outputs[PROBABILITIES][:, 1] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert parts(response.report) == {"a": ("ok", (1, 3)), "b": ("ok", (0, 2))}
    assert (response.report.asked, response.report.answered) == (2, 2)


async def test_branches_are_asked_at_the_same_time() -> None:
    served = [serve(name, Fake(sure(1), delay=0.5)) for name in "ab"]
    await routing(np.array([0, 1]), *served)(ones(2), deadline_after(1))
    assert now() == 0.5


async def test_labels_and_features_are_aligned_by_name() -> None:
    swapped = classifier((TensorSpec("x", "FP32", (-1, 2), ("b", "a")),), ("yes", "no"))
    b = Fake([[0.75, 0.25]])
    response = await routing(1, serve("a", Fake(sure(0))), serve("b", b, swapped))(rows(7), deadline_after(1))
    assert b.calls[0][0].inputs["x"].tolist() == [[0, 7]]
    assert response.outputs[PROBABILITIES].tolist() == [[0.25, 0.75]]


def test_branches_must_answer_the_same_question() -> None:
    with pytest.raises(ValueError, match="b is for regression, a for classification"):
        aligned([serve("a", Fake([])), serve("b", Fake([]), NUMBER)])
    with pytest.raises(ValueError, match="b has the labels"):
        aligned([serve("a", Fake([])), serve("b", Fake([]), classifier((FEATURES,), ("x", "y")))])
    text = replace(YES_NO, task="transform", labels=(), outputs=(TensorSpec("text", "BYTES", (-1,)),))
    other = replace(text, outputs=(TensorSpec("text", "BYTES", (-1, 2)),))
    with pytest.raises(ValueError, match=r"b gives \['text BYTES \[-1, 2\]'\], a \['text BYTES \[-1\]'\]"):
        aligned([serve("a", Fake([]), text), serve("b", Fake([]), other)])


async def test_a_failed_branch_is_the_failure_of_all_at_once_and_the_others_are_let_go() -> None:
    slow, let_go = Fake(sure(1), delay=9), list[Any]()
    served = serve("a", slow), serve("b", Fake(ConnectFailed("refused"), delay=0.25))
    error = await failure(routing(np.array([0, 1]), *served, let_go=let_go), ones(2))
    assert (type(error), str(error), now()) == (ConnectFailed, "branch 'b': refused", 0.25)
    assert parts(error.report) == {"a": ("unneeded", (0,)), "b": ("failed connect", (1,))}
    await settle()
    assert (slow.cancelled, len(let_go)) == (1, 1)


@pytest.mark.parametrize("choice", [0, np.array([0, 1])])
async def test_a_slow_branch_is_late_at_the_deadline(choice: Choice) -> None:
    slow = Fake(sure(1), delay=9)
    error = await failure(routing(choice, serve("a", slow), serve("b", Fake(sure(1)))), ones(2))
    assert (type(error), str(error), now()) == (DeadlineExceeded, "branch 'a': no answer by the deadline", 1)
    assert parts(error.report)["a"][0] == "late timeout"
    assert slow.cancelled == 1


async def test_one_that_resists_being_cancelled_holds_up_nobody() -> None:
    served = serve("a", Fake(sure(1), delay=9, stubborn=9)), serve("b", Fake(sure(1)))
    error = await failure(routing(np.array([0, 1]), *served), ones(2))
    assert (error.fate, now()) == ("late", 1)
    await asyncio.sleep(20)


@pytest.mark.parametrize("choice", [0, np.array([0, 1])])
async def test_a_cancelled_call_cancels_the_branches(choice: Choice) -> None:
    slow = [Fake(sure(1), delay=9) for _ in "ab"]
    routed = routing(choice, *(serve(name, one) for name, one in zip("ab", slow, strict=True)))
    task = asyncio.ensure_future(routed(ones(2), deadline_after(20)))
    await asyncio.sleep(1)
    task.cancel()
    await settle()
    assert task.cancelled()
    assert [one.cancelled for one in slow] == [len(one.calls) for one in slow]


async def test_the_report_is_that_of_the_one_who_answered() -> None:
    vote = voted(a=Fake(sure(1)), b=Fake(sure(1)), c=Fake(sure(1), delay=9))
    report = (await routing(0, vote, serve("d", Fake(sure(1))))(ones(), deadline_after(1))).report
    assert (report.status, report.degraded, report.asked, list(report.members)) == ("partial", True, 3, ["a", "b", "c"])
    assert dict(report.parts[0].facts) == {"degraded": True}


async def test_the_reports_of_several_are_one() -> None:
    vote = voted(a=Fake(sure(1)), b=Fake(sure(0)), c=Fake(sure(1), delay=9))
    again = replace(voted(e=Fake(sure(1)), f=Fake(sure(1))), name="again")
    report = (await routing(np.array([0, 1]), vote, again)(ones(2), deadline_after(1))).report
    assert (report.status, report.degraded, report.asked, report.answered) == ("partial", True, 5, 4)
    assert report.agreement is not None
    assert report.agreement.tolist() == [0.5, 1.0]
    assert [list(part.report.members) for part in report.parts if part.report] == [["a", "b", "c"], ["e", "f"]]
    mixed = (await routing(np.array([0, 1]), vote, serve("d", Fake(sure(1))))(ones(2), deadline_after(1))).report
    assert mixed.agreement is None


async def test_an_ensemble_without_a_quorum_is_told_with_its_members() -> None:
    down = Fake(ConnectFailed("refused"))
    error = await failure(routing(0, voted(a=down, b=down), serve("d", Fake(sure(1)))), ones())
    assert isinstance(error, NoQuorum)
    assert (list(error.report.members), parts(error.report)) == (["a", "b"], {"vote": ("failed quorum", None)})


async def test_what_is_asked_of_an_ensemble_is_for_a_branch_that_is_one() -> None:
    vote, one = voted(a=Fake(sure(1)), b=Fake(sure(1))), serve("d", Fake(sure(1)))
    asked = msgspec.structs.replace(ones(), parameters=Parameters(quorum=1, members=("a",)))
    assert list((await routing(0, vote, one)(asked, deadline_after(1))).report.members) == ["a"]
    with pytest.raises(InvalidRequest, match="'d' takes no members: it is one model"):
        await routing(1, vote, one)(asked, deadline_after(1))


async def test_it_nests_in_itself_and_in_an_ensemble() -> None:
    inner = serve("inner", routing(np.array([0, 1]), serve("a", Echo()), serve("b", Echo())))
    outer = routing(np.array([1, 0, 1]), serve("c", Echo()), inner)
    response = await outer(rows(1, 2, 3), deadline_after(1))
    assert response.outputs[PROBABILITIES][:, 1] == pytest.approx([0.1, 0.2, 0.3])
    assert parts(response.report.parts[1].report) == {"a": ("ok", (0,)), "b": ("ok", (1,))}
    vote = voted(c=Fake(sure(1)), routed=routing(0, serve("a", Fake(sure(1))), serve("b", Fake(sure(1)))))
    report = (await vote.backend(ones(), deadline_after(1))).report
    assert parts(report.nested("routed")) == {"a": ("ok", None)}


async def test_of_requests_that_are_asked_as_one_each_hears_of_its_own_rows() -> None:
    served = serve("a", Echo()), serve("b", Echo())
    whole = (await routing(np.array([0, 1, 1, 0]), *served)(rows(1, 2, 3, 4), deadline_after(1))).report
    assert parts(whole.of_rows(slice(1, 3))) == {"a": ("ok", ()), "b": ("ok", (0, 1))}
    assert parts(whole.of_rows(slice(2, 4))) == {"a": ("ok", (1,)), "b": ("ok", (0,))}


def test_some_rows_of_requests_that_are_asked_as_one_know_whose_they_are() -> None:
    requests = [
        msgspec.structs.replace(ones(count), id=name, extra={"at": name})
        for name, count in (("a", 2), ("b", 1), ("c", 3))
    ]
    some = joined([*requests[:2], joined(requests[2:])]).of_rows(np.array([1, 3, 5]))
    assert some.origins == (Origin("a", {"at": "a"}, 1), Origin("c", {"at": "c"}, 2))
    assert (some.rows, some.of_rows(np.array([2])).origins) == (3, (Origin("c", {"at": "c"}, 1),))

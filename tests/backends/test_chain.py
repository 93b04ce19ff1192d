"""One step after the other, under one deadline."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.base import Backend
from backends.chain import Chain, Step
from backends.served import Served
from backends.wiring import wired
from models.deadline import deadline_after
from models.errors import BackendError, ConnectFailed, DeadlineExceeded, InvalidRequest, NoQuorum
from models.types import (
    NO_PARAMETERS,
    PROBABILITIES,
    InferRequest,
    InferResponse,
    Parameters,
    Report,
    Signature,
    TensorSpec,
)
from tests.fakes import FEATURES, YES_NO, Fake, now, ones, serve, settle, sure

SCALED = Signature("transform", (FEATURES,), (FEATURES,))
EXPLAINED = Signature(
    "transform",
    (TensorSpec("x", "FP32", (-1, 2), ("yes", "a")),),
    (TensorSpec("text", "BYTES", (-1,)),),
)


def twos(rows: int = 1) -> dict[str, Any]:
    return {"features": np.full((rows, 2), 2, np.float32)}


def chain(*steps: Served, **given: Mapping[str, str]) -> Chain:
    wiring = wired(steps, given)
    return Chain([Step(*one) for one in zip(steps, wiring.feeds, wiring.used, strict=True)], clock=now)


def voted(**members: Backend) -> Served:
    """An ensemble that has them as members."""
    signature, assembled = assemble([serve(name, one) for name, one in members.items()], {}, ())
    ensemble = Ensemble(
        assembled, signature, make_rule("hard", "classification", 2), Terms(early=False), reaper=Reaper(), clock=now
    )
    return replace(serve("vote", ensemble, signature), takes=frozenset({"quorum", "early", "members"}))


def fates(report: Report | None) -> dict[str, str]:
    assert report is not None
    return {part.name: f"{part.fate} {part.reason}".strip() for part in report.parts}


async def failure(chained: Chain, request: InferRequest, seconds: float = 1) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await chained(request, deadline_after(seconds))
    return caught.value


async def test_each_step_is_given_what_the_one_before_it_said() -> None:
    model = Fake(sure(1))
    response = await chain(serve("scale", Fake(twos()), SCALED), serve("model", model))(ones(), deadline_after(1))
    assert model.calls[0][0].inputs["features"].tolist() == [[2, 2]]
    assert response.outputs[PROBABILITIES].tolist() == [[0, 1]]
    assert (response.id, fates(response.report)) == ("the-id", {"scale": "ok", "model": "ok"})


async def test_what_was_said_earlier_stays_there_by_its_name() -> None:
    explain = Fake({"text": np.array(["because"], object)})
    steps = (serve("scale", Fake(twos()), SCALED), serve("model", Fake(sure(1))), serve("explain", explain, EXPLAINED))
    response = await chain(*steps)(ones(), deadline_after(1))
    assert explain.calls[0][0].inputs["x"].tolist() == [[1, 2]]  # the probability of yes, and what `scale` made of a
    assert response.outputs["text"].tolist() == ["because"]


async def test_every_step_has_the_same_deadline_and_its_time_is_reported() -> None:
    scale, model = Fake(twos(), delay=0.25), Fake(sure(1), delay=0.5)
    response = await chain(serve("scale", scale, SCALED), serve("model", model))(ones(), deadline_after(1))
    assert [one.calls[0][1] for one in (scale, model)] == pytest.approx([1, 1])
    assert [(part.began, part.elapsed) for part in response.report.parts] == [(0, 0.25), (0.25, 0.5)]
    assert now() == 0.75


async def test_a_slow_step_is_late_at_the_deadline_and_the_next_is_never_asked() -> None:
    slow, member = Fake(twos(), delay=9), Fake(sure(1))
    error = await failure(chain(serve("scale", slow, SCALED), voted(a=member)), ones())
    assert (type(error), error.fate, error.reason, now()) == (DeadlineExceeded, "late", "timeout", 1)
    assert str(error) == "step 'scale': no answer by the deadline"
    assert fates(error.report) == {"scale": "late timeout", "vote": "skipped not_reached"}
    assert (slow.cancelled, len(member.calls)) == (1, 0)


async def test_a_step_that_ends_at_the_very_deadline_leaves_no_time_to_begin_the_next() -> None:
    class Blocking:
        async def __call__(self, request: InferRequest, deadline: float) -> InferResponse:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(0)
            loop._jumping.now = 2  # type: ignore[attr-defined]  # as if it had computed all the time
            return InferResponse(twos())

    model = Fake(sure(1))
    error = await failure(chain(serve("scale", Blocking(), SCALED), serve("model", model)), ones())
    assert str(error).startswith("step 'model': the deadline")
    assert not model.calls


async def test_a_failed_step_is_the_failure_of_the_chain_with_its_name() -> None:
    error = await failure(
        chain(serve("scale", Fake(ConnectFailed("refused")), SCALED), serve("model", Fake([]))), ones()
    )
    assert (type(error), str(error), error.reason, now()) == (ConnectFailed, "step 'scale': refused", "connect", 0)
    assert fates(error.report) == {"scale": "failed connect", "model": "skipped not_reached"}
    assert error.report is not None
    assert (error.report.asked, error.report.answered) == (1, 0)


async def test_an_ensemble_without_a_quorum_is_told_with_its_members() -> None:
    down = Fake(ConnectFailed("refused"))
    error = await failure(chain(serve("scale", Fake(twos()), SCALED), voted(a=down, b=down)), ones())
    assert isinstance(error, NoQuorum)
    assert list(error.report.members) == ["a", "b"]
    assert fates(error.report) == {"scale": "ok", "vote": "failed quorum"}


async def test_what_an_earlier_step_lacked_stays_visible() -> None:
    steps = (serve("scale", Fake(twos(), degraded=True), SCALED), voted(a=Fake(sure(1)), b=Fake(sure(1))))
    report = (await chain(*steps)(ones(), deadline_after(1))).report
    assert (report.status, report.degraded, report.asked, list(report.members)) == ("complete", True, 2, ["a", "b"])
    assert dict(report.parts[0].facts) == {"degraded": True}


async def test_the_facts_are_those_of_the_last_step_that_voted() -> None:
    late = Fake(sure(1), delay=9)
    explain = Fake({"text": np.array(["because"], object)})
    steps = (voted(a=Fake(sure(1)), b=Fake(sure(1)), c=late), serve("explain", explain, EXPLAINED))
    report = (await chain(*steps)(ones(), deadline_after(1))).report
    assert (report.status, report.answered, report.asked, report.degraded) == ("partial", 2, 3, True)
    assert report.agreement is not None


async def test_a_vote_leaves_those_after_it_the_time_that_they_usually_take() -> None:
    late = Fake(sure(1), delay=9)
    explain = Fake({"text": np.array(["because"], object)}, delay=0.2)
    chained = chain(voted(a=Fake(sure(1)), b=Fake(sure(1)), c=late), serve("explain", explain, EXPLAINED))
    await failure(chained, ones())  # nothing is known yet, and the vote takes nearly all
    late.delay = 0
    await chained(ones(), deadline_after(1))
    late.delay, before = 9, now()
    response = await chained(ones(), deadline_after(1))
    assert response.report.status == "partial"
    assert now() - before == pytest.approx(0.6 * 0.97 + 0.2)  # twice 0.2 was kept for the explanation


async def test_what_is_asked_of_an_ensemble_is_for_the_last_one_alone() -> None:
    first, second = voted(a=(one := Fake(sure(1))), b=Fake(sure(1))), Fake({"text": np.array(["x"], object)})
    chained = chain(first, serve("explain", second, EXPLAINED))
    asked = msgspec.structs.replace(ones(), parameters=Parameters(members=("a",), quorum=1, explain=True))
    response = await chained(asked, deadline_after(1))
    assert list(response.report.members) == ["a"]
    assert (len(one.calls), second.calls[0][0].parameters) == (1, NO_PARAMETERS)
    with pytest.raises(InvalidRequest, match="no member 'z'"):
        await chained(msgspec.structs.replace(ones(), parameters=Parameters(members=("z",))), deadline_after(1))


async def test_a_cancelled_chain_cancels_the_step_under_way() -> None:
    model, slow = Fake(sure(1)), Fake(twos(), delay=9)
    task = asyncio.create_task(chain(serve("scale", slow, SCALED), serve("model", model))(ones(), deadline_after(20)))
    await asyncio.sleep(1)
    task.cancel()
    await settle()
    assert (task.cancelled(), slow.cancelled, len(model.calls)) == (True, 1, 0)


async def test_a_chain_is_a_step_of_a_chain_and_a_member_of_an_ensemble() -> None:
    def prepared(model: Fake) -> Backend:
        return chain(serve("scale", Fake(twos()), SCALED), serve("model", model))

    vote = voted(a=prepared(Fake(sure(1))), b=prepared(Fake(ConnectFailed("refused"))), c=Fake(sure(1)))
    steps = (vote, serve("explain", Fake({"text": np.array(["because"], object)}), EXPLAINED))
    report = (await chain(*steps)(ones(), deadline_after(1))).report
    assert fates(report) == {"vote": "ok", "explain": "ok"}
    assert fates(report.nested("a")) == {"scale": "ok", "model": "ok"}
    assert fates(report.nested("b")) == {"scale": "ok", "model": "failed connect"}
    inner = serve("inner", prepared(Fake(sure(1))))
    report = (await chain(serve("scale", Fake(twos()), SCALED), inner)(ones(), deadline_after(1))).report
    assert fates(report.parts[1].report) == {"scale": "ok", "model": "ok"}


def test_a_chain_needs_a_step() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        Chain([])


def test_the_signature_in_use_is_that_of_the_fakes() -> None:
    assert YES_NO.inputs == SCALED.inputs

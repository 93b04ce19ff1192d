import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from msgspec.structs import replace

from aggregator.comparison import revote_of
from aggregator.member import beside
from aggregator.rules import make_rule
from aggregator.shadow import AFTER, Candidate, Shadow
from backends.base import Backend
from backends.comparisons import Comparisons
from models.deadline import deadline_after
from models.errors import Away, BackendError, ConnectFailed, InvalidRequest, NoQuorum
from models.types import PROBABILITIES, InferResponse, MemberReport, Report, Signature, TensorSpec, classifier, joined
from tests.aggregator.test_ensemble import vote
from tests.fakes import FEATURES, NUMBER, YES_NO, Fake, now, ones, serve, settle, sure

SOFT = make_rule("soft", "classification", 2)


def candidate(backend: Backend, name: str = "new", signature: Signature = YES_NO) -> Candidate:
    return Candidate(beside(signature, serve(name, backend, signature)))


def counted(shadowing: Candidate) -> Comparisons:
    return shadowing.comparisons


def heard(response: InferResponse) -> dict[str, MemberReport]:
    assert response.report.shadows is not None
    return dict(response.report.shadows)


async def test_the_answer_leaves_as_it_is_before_the_shadow_is_asked() -> None:
    primary, new = Fake([[0.2, 0.8]], delay=1), Fake(sure(0), delay=5)
    watched = candidate(new)
    response = await Shadow(primary, [watched], YES_NO.labels, timeout=9, clock=now)(ones(), deadline_after(10))
    assert (response.outputs[PROBABILITIES].tolist(), response.id, now()) == ([[0.2, 0.8]], "the-id", 1)
    assert (new.calls, heard(response)) == ([], {})
    await asyncio.sleep(6)
    assert (len(new.calls), now()) == (1, 7)
    said = heard(response)["new"]
    assert (said.fate, said.weight, said.elapsed) == ("ok", 0, 5)
    assert (counted(watched).asked, counted(watched).rows, counted(watched).agreed) == (1, 1, 0)


async def test_a_shadow_of_a_model_is_compared_as_if_it_answered_alone() -> None:
    watched = candidate(Fake([[0.4, 0.6], [0.9, 0.1]]))
    await Shadow(Fake([[0.2, 0.8], [0.2, 0.8]]), [watched], YES_NO.labels)(ones(2), deadline_after(1))
    await asyncio.sleep(1)
    found = counted(watched)
    assert (found.rows, found.agreed, found.changed, found.fates) == (2, 1, 1, {("ok", ""): 1})
    (disagreement,) = found.disagreements
    said = disagreement.comparison
    assert (disagreement.request_id, disagreement.row) == ("the-id", 1)
    assert (said.answered, said.said, said.instead) == ("yes", "no", "no")
    assert found.difference == pytest.approx(0.2 + 0.7)


async def test_a_shadow_of_an_ensemble_is_compared_as_one_more_vote() -> None:
    primary = vote("soft", a=Fake([[0.3, 0.7]]), b=Fake([[0.3, 0.7]]))
    weak, strong = Fake([[0.6, 0.4]]), Fake(sure(0))
    weights = {"a": 1.0, "b": 1.0}
    for backend, changed in ((weak, 0), (strong, 1)):
        member = beside(YES_NO, serve("new", backend))
        watched = Candidate(member, revote_of(SOFT, weights, 1.0))
        await Shadow(primary, [watched], YES_NO.labels)(ones(), deadline_after(1))
        await asyncio.sleep(1)
        assert (counted(watched).agreed, counted(watched).changed) == (0, changed)


@pytest.mark.parametrize(
    ("error", "counted_as"),
    [
        (ConnectFailed("refused"), ("failed", "connect")),
        (Away("starting"), ("skipped", "away")),
        (InvalidRequest("no"), ("failed", "input_rejected")),
        (NoQuorum("too few", Report(), late=True), ("late", "timeout")),
        (ZeroDivisionError("oh"), ("failed", "error")),
    ],
)
async def test_a_shadow_that_fails_is_counted_and_changes_nothing(
    error: Exception, counted_as: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    watched = candidate(Fake(error))
    response = await Shadow(Fake(sure(1)), [watched], YES_NO.labels)(ones(), deadline_after(1))
    await asyncio.sleep(1)
    assert (response.outputs[PROBABILITIES].tolist(), response.report.degraded) == ([[0, 1]], False)
    assert (counted(watched).fates, counted(watched).rows) == ({counted_as: 1}, 0)
    assert (heard(response)["new"].fate, heard(response)["new"].reason) == counted_as
    assert ("failed by a bug" in caplog.text) == (not isinstance(error, BackendError | InvalidRequest))


@pytest.mark.parametrize("said", [sure(1, rows=2), [[np.nan, np.nan]], [1.0]])
async def test_nonsense_is_a_failure_and_no_comparison(said: object) -> None:
    watched = candidate(Fake(np.array(said)))
    await Shadow(Fake(sure(1)), [watched], YES_NO.labels)(ones(), deadline_after(1))
    await asyncio.sleep(1)
    assert (counted(watched).fates, counted(watched).rows) == ({("failed", "invalid"): 1}, 0)


async def test_a_shadow_that_hangs_is_let_go_after_its_own_timeout() -> None:
    new = Fake(sure(1), delay=99)
    watched = candidate(new)
    shadow = Shadow(Fake(sure(1)), [watched], YES_NO.labels, timeout=2)
    await shadow(ones(), deadline_after(0.5))
    assert (len(shadow), counted(watched).under_way) == (1, 1)
    await asyncio.sleep(2.1)
    assert (new.cancelled, counted(watched).fates, len(shadow)) == (1, {("late", "timeout"): 1}, 0)
    assert counted(watched).under_way == 0


async def test_too_many_under_way_are_dropped_and_each_candidate_has_its_own_bound() -> None:
    hangs, answers = candidate(Fake(sure(1), delay=99), "hangs"), candidate(Fake(sure(1)), "answers")
    shadow = Shadow(Fake(sure(1)), [hangs, answers], YES_NO.labels, limit=2, timeout=50)
    for _ in range(5):
        await shadow(ones(), deadline_after(1))
        await asyncio.sleep(1)
    assert (counted(hangs).asked, counted(hangs).dropped) == (2, 3)
    assert (counted(answers).asked, counted(answers).dropped, counted(answers).agreed) == (5, 0, 5)


async def test_a_share_of_the_requests_is_asked_about() -> None:
    chances: Iterator[float] = iter([0.1, 0.3, 0.2, 0.9])
    new = Fake(sure(1))
    shadow = Shadow(Fake(sure(1)), [candidate(new)], YES_NO.labels, share=0.25, chance=lambda: next(chances))
    responses = [await shadow(ones(), deadline_after(1)) for _ in range(4)]
    await asyncio.sleep(1)
    assert len(new.calls) == 2
    assert [response.report.shadows is None for response in responses] == [False, True, False, True]


async def test_a_request_that_got_no_answer_is_not_asked_about() -> None:
    new = Fake(sure(1))
    with pytest.raises(ConnectFailed):
        await Shadow(Fake(ConnectFailed("no")), [candidate(new)], YES_NO.labels)(ones(), deadline_after(1))
    await asyncio.sleep(1)
    assert new.calls == []


async def test_a_caller_that_goes_away_after_its_answer_does_not_matter() -> None:
    watched = candidate(Fake(sure(1), delay=0.5))
    shadow = Shadow(Fake(sure(1)), [watched], YES_NO.labels)

    async def handler() -> None:
        await shadow(ones(), deadline_after(1))
        await asyncio.sleep(99)

    task = asyncio.create_task(handler())
    await settle()
    task.cancel()
    await asyncio.sleep(1)
    assert counted(watched).agreed == 1


async def test_at_the_end_what_is_under_way_may_finish_for_a_while() -> None:
    quick, hangs = candidate(Fake(sure(1), delay=0.5), "quick"), candidate(Fake(sure(1), delay=99), "hangs")
    shadow = Shadow(Fake(sure(1)), [quick, hangs], YES_NO.labels, timeout=60)
    await shadow(ones(), deadline_after(1))
    await shadow.close()
    assert (counted(quick).agreed, counted(hangs).fates, len(shadow)) == (1, {}, 0)
    assert now() == 5
    assert (counted(hangs).asked, counted(hangs).under_way) == (1, 0)


async def test_numbers_agree_within_a_tolerance() -> None:
    watched = candidate(Fake([100.5, 110.0]), signature=NUMBER)
    await Shadow(Fake([100.0, 100.0]), [watched], (), tolerance=0.01)(ones(2), deadline_after(1))
    await asyncio.sleep(1)
    assert (counted(watched).rows, counted(watched).agreed, counted(watched).changed) == (2, 1, 1)


async def test_it_nests_in_an_ensemble_and_its_answer_is_one_vote() -> None:
    watched = candidate(Fake(sure(0)))
    inner = Shadow(Fake(sure(1)), [watched], YES_NO.labels)
    response = await vote("soft", inner=inner, b=Fake(sure(1)))(ones(), deadline_after(1))
    assert (response.outputs[PROBABILITIES].tolist(), now()) == ([[0, 1]], 0)
    await asyncio.sleep(1)
    assert counted(watched).changed == 1


async def test_rows_of_requests_that_are_asked_as_one_are_told_apart() -> None:
    watched = candidate(Fake(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])))
    shadow = Shadow(Fake(sure(1, rows=3)), [watched], YES_NO.labels)
    first, second = replace(ones(1), id="first"), replace(ones(2), id="second")
    await shadow(joined([first, second]), deadline_after(1))
    await asyncio.sleep(1)
    assert [(one.request_id, one.row) for one in counted(watched).disagreements] == [("second", 0), ("second", 1)]


def test_a_candidate_is_aligned_by_label_and_fed_by_feature() -> None:
    other = classifier((TensorSpec("x", "FP32", (-1, 1), ("b",)),), ("yes", "no"))
    member = beside(YES_NO, serve("new", Fake([[0.9, 0.1]]), other))
    assert member.feed is not None
    assert member.feed({"features": np.array([[1.0, 2.0]], np.float32)})["x"].tolist() == [[2]]
    assert member.scores(InferResponse({PROBABILITIES: np.array([[0.9, 0.1]])})).tolist() == [[0.1, 0.9]]


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        (NUMBER, "new is for regression, expected classification"),
        (classifier((FEATURES,), ("no", "maybe")), "has the labels"),
        (classifier((TensorSpec("x", "FP32", (-1, 1), ("c",)),), ("no", "yes")), "takes the feature 'c'"),
        (classifier((TensorSpec("x", "BYTES", (-1, 1), ("b",)),), ("no", "yes")), "'b' is BYTES, elsewhere FP32"),
    ],
)
def test_a_candidate_that_cannot_be_fed_or_read_is_refused(signature: Signature, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beside(YES_NO, serve("new", Fake(sure(1)), signature))


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Shadow(Fake(sure(1)), [candidate(Fake(sure(1)))], YES_NO.labels, share=share)


def test_the_moment_after_the_answer_is_short() -> None:
    assert AFTER <= 0.01

"""A probe of a member that its breaker leaves alone: its answer counts if it is in time, its failure costs nobody."""

import asyncio
from dataclasses import replace

import pytest

from aggregator.ensemble import Terms
from backends.circuit import FAILURES, FIRST_WAIT
from models.deadline import deadline_after
from models.errors import NoQuorum, ServerFault
from models.types import InferResponse
from tests.fakes import Fake, now, ones, serve, settle, sure
from tests.layered import Vote, reasons

USUAL = 0.01
D = 5.0
HANGS = 1000.0


async def broken(vote: Vote, *names: str) -> Vote:
    """The breakers of these members have opened, and want a probe now."""
    for name in names:
        for _ in range(FAILURES):
            vote.circuit(name).fail(now(), now(), spare=lambda: True)
    await asyncio.sleep(FIRST_WAIT)
    return vote


def of_three(probed: Fake, **terms: object) -> Vote:
    return Vote({"a": probed, "b": Fake(sure(1), delay=USUAL), "c": Fake(sure(1), delay=USUAL)}, **terms)  # type: ignore[arg-type]


async def ask(vote: Vote, seconds: float = D) -> tuple[InferResponse, float]:
    """The answer, and how long it took."""
    began = now()
    response = await vote.ensemble(ones(), deadline_after(seconds))
    return response, now() - began


async def test_a_probe_that_hangs_keeps_nobody_waiting_and_is_judged_at_the_deadline() -> None:
    vote = await broken(of_three(hangs := Fake(sure(1), delay=HANGS)), "a")
    response, took = await ask(vote)
    assert took == pytest.approx(USUAL)
    assert response.report.status == "partial"
    assert reasons(response) == {"a": "breaker_open", "b": "ok", "c": "ok"}
    circuit = vote.circuit("a")
    assert (circuit.probes, circuit.opens, hangs.cancelled) == (1, 1, 0)
    await asyncio.sleep(D)
    assert (circuit.opens, hangs.cancelled) == (2, 1)
    assert FIRST_WAIT < circuit.wait(now()) < 2 * FIRST_WAIT  # since the answer would have left at the deadline


async def test_there_is_one_probe_at_a_time_however_many_have_been_answered_meanwhile() -> None:
    vote = await broken(of_three(hangs := Fake(sure(1), delay=HANGS)), "a")
    for _ in range(20):
        await ask(vote)
    assert len(hangs.calls) == 1


async def test_an_answer_in_time_counts() -> None:
    vote = await broken(of_three(Fake(sure(1), delay=USUAL / 2)), "a")
    response, _ = await ask(vote)
    assert response.report.status == "complete"
    assert vote.circuit("a").closed


async def test_an_answer_that_comes_after_the_others_brings_it_back_into_the_next_vote() -> None:
    vote = await broken(of_three(Fake(sure(1), delay=3 * USUAL)), "a")
    response, took = await ask(vote)
    assert reasons(response)["a"] == "breaker_open"
    assert took == pytest.approx(USUAL)
    await asyncio.sleep(3 * USUAL)
    assert vote.circuit("a").closed
    response, took = await ask(vote)
    assert reasons(response)["a"] == "ok"
    assert took == pytest.approx(3 * USUAL)


async def test_a_vote_that_is_decided_before_all_have_answered_lets_its_probe_go_on() -> None:
    usual = {name: Fake(sure(1), delay=USUAL) for name in "bcd"}
    vote = Vote({"a": Fake(sure(1), delay=1.0), **usual, "e": Fake(sure(1), delay=HANGS)}, terms=Terms(early=True))
    await broken(vote, "a")
    response, took = await ask(vote)
    assert took == pytest.approx(USUAL)
    assert response.report.status == "decided"
    await asyncio.sleep(1.0)
    assert vote.circuit("a").closed


@pytest.mark.parametrize("terms", [{"terms": Terms(quorum=3, early=False)}, {"required": ["a"]}])
async def test_what_an_answer_needs_is_waited_for(terms: dict[str, object]) -> None:
    vote = await broken(of_three(Fake(sure(1), delay=1.0), **terms), "a")
    response, took = await ask(vote)
    assert (response.report.status, took) == ("complete", 1.0)


async def test_without_the_others_it_is_waited_for_until_the_deadline() -> None:
    vote = Vote({"a": Fake(sure(1), delay=HANGS), "b": Fake(sure(1)), "c": Fake(ServerFault("500"))})
    await broken(vote, "a")
    began = now()
    with pytest.raises(NoQuorum):
        await ask(vote)
    assert now() - began == pytest.approx(0.97 * D)


async def test_a_caller_that_hangs_up_ends_its_probe_and_the_next_call_is_one() -> None:
    vote = await broken(of_three(hangs := Fake(sure(1), delay=HANGS)), "a")
    call = asyncio.ensure_future(ask(vote))
    await settle()
    call.cancel()
    await settle()
    assert (hangs.cancelled, vote.circuit("a").opens) == (1, 1)
    await ask(vote)
    assert len(hangs.calls) == 2


async def test_an_ensemble_whose_own_quorum_is_on_trial_is_not_waited_for_by_another() -> None:
    inner = Vote({"x": Fake(sure(1), delay=HANGS), "y": Fake(sure(1), delay=HANGS), "z": Fake(sure(1), delay=USUAL)})
    await broken(inner, "x", "y")
    whole = replace(serve("inner", inner.ensemble), kind="ensemble", answerable=inner.ensemble.answerable)
    assert (whole.is_there, whole.is_on_trial) == (False, True)
    vote = Vote({"a": Fake(sure(1), delay=USUAL), "b": Fake(sure(1), delay=USUAL)}, whole)
    response, took = await ask(vote)
    assert response.report.status == "partial"
    assert took == pytest.approx(USUAL)


async def test_who_is_away_or_disabled_is_not_on_trial() -> None:
    vote = await broken(of_three(Fake(sure(1))), "a")
    served = vote.served["a"]
    assert served.is_on_trial
    served.replicas[0].state.phase = "away"
    assert not served.is_on_trial
    served.replicas[0].state.phase = "ready"
    served.state.enabled = False
    assert not served.is_on_trial

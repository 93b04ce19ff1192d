"""All layers together, on the tests' own clock, alone and in an ensemble."""

import asyncio

import pytest

from aggregator.ensemble import Terms
from backends.circuit import FAILURES
from backends.drill import Drill
from models.deadline import deadline_after
from models.errors import BackendError, BreakerOpen, ConnectionLost, NoQuorum, Overloaded, ServerFault
from models.types import InferResponse
from server.composition import Composition, Current
from server.settings import BackendSettings
from tests.fakes import Fake, Script, now, ones, settle, sure
from tests.layered import PLAIN, Vote, behind_layers, reason, reasons

HANGS = 1e6


def lost() -> ConnectionLost:
    return ConnectionLost("reset")


def good(count: int) -> dict[str, Fake]:
    """Members that answer after 10 ms."""
    return {chr(ord("a") + at): Fake(sure(1), delay=0.01) for at in range(count)}


async def asked(vote: Vote, times: int, seconds: float = 0.2) -> list[InferResponse | BackendError]:
    """What becomes of so many requests, one after the other."""
    results: list[InferResponse | BackendError] = []
    for _ in range(times):
        try:
            results.append(await vote.ensemble(ones(), deadline_after(seconds)))
        except BackendError as error:
            results.append(error)
    return results


async def test_a_backend_that_is_asked_by_itself_is_tried_again() -> None:
    inner = Script((0.0, lost), (0.0, sure(1)))
    served = behind_layers("m", [inner])
    assert await served.backend(ones(), deadline_after(1))
    assert (served.statistics.asked, served.statistics.tries, served.statistics.retries) == (1, 2, 1)


async def test_retry_and_breaker_can_be_turned_off() -> None:
    inner = Script((0.0, lost))
    served = behind_layers("m", [inner], BackendSettings(retry=False, breaker=False))
    for _ in range(20):
        with pytest.raises(ConnectionLost):
            await served.backend(ones(), deadline_after(1))
    assert len(inner.begun) == 20


async def test_a_member_is_tried_again_only_if_there_would_be_no_quorum_without_it() -> None:
    members = good(5)
    failing = {name: Script((0.0, lost), (0.0, sure(1))) for name in ("a", "b", "c")}
    response = await Vote({**members, **failing}).ensemble(ones(), deadline_after(1))
    assert [len(one.begun) for one in failing.values()] == [1, 1, 2]
    assert list(reasons(response).values()) == ["reset", "reset", "ok", "ok", "ok"]


async def test_a_member_that_is_required_is_tried_again() -> None:
    inner = Script((0.0, lost), (0.0, sure(1)))
    response = await Vote({**good(5), "a": inner}, required=["a"]).ensemble(ones(), deadline_after(1))
    assert (len(inner.begun), response.report.status) == (2, "complete")


async def test_in_an_inner_ensemble_nobody_is_tried_again_that_the_outer_one_can_do_without() -> None:
    inner = Script((0.0, lost), (0.0, sure(1)))
    pair = Vote({"x": inner, "y": Fake(sure(1))})
    outer = Vote(good(3), pair.spares.served["vote"])
    assert (await outer.ensemble(ones(), deadline_after(1))).report.answered == 3
    assert len(inner.begun) == 1
    alone = Vote({}, pair.spares.served["vote"])
    inner.begun.clear()
    assert (await alone.ensemble(ones(), deadline_after(1))).report.answered == 1
    assert len(inner.begun) == 2


async def test_one_that_hangs_is_left_alone_after_a_few_requests_and_then_nobody_waits_for_it() -> None:
    members = good(5)
    vote = Vote(members)
    assert [one.report.status for one in await asked(vote, 30) if isinstance(one, InferResponse)] == ["complete"] * 30
    members["a"].delay = HANGS
    results = await asked(vote, FAILURES)
    assert [reasons(one)["a"] for one in results if isinstance(one, InferResponse)] == ["timeout"] * FAILURES
    began = now()
    (response,) = await asked(vote, 1)
    assert isinstance(response, InferResponse)
    assert (reasons(response)["a"], response.report.status) == ("breaker_open", "partial")
    assert now() - began == pytest.approx(0.01)
    assert vote.circuit("a").opens == 1


async def test_that_a_breaker_opens_and_closes_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    members = good(5)
    vote = Vote(members)
    members["a"].said = ServerFault("500")
    await asked(vote, FAILURES + 3)
    assert [record.getMessage() for record in caplog.records] == [
        "the breaker of a-0 opens; the last failure: http_5xx: 500"
    ]
    members["a"].said = sure(1)
    await asyncio.sleep(1)
    await asked(vote, 3)
    assert [record.getMessage() for record in caplog.records][1:] == ["the breaker of a-0 closes: it has answered"]


async def test_it_is_back_in_the_vote_with_the_first_probe_after_it_has_recovered() -> None:
    members = good(5)
    vote = Vote(members)
    await asked(vote, 30)
    members["a"].delay = HANGS
    await asked(vote, FAILURES + 1)
    members["a"].delay = 0.01
    await asyncio.sleep(1)
    (response,) = await asked(vote, 1)
    assert isinstance(response, InferResponse)
    assert response.report.status == "complete"
    assert vote.circuit("a").closed


async def test_hasty_callers_open_no_breaker() -> None:
    members = good(5)
    vote = Vote(members)
    await asked(vote, 30)
    for result in await asked(vote, 200, seconds=0.005):
        assert isinstance(result, NoQuorum)
    await settle()
    assert [vote.circuit(name).phase(now()) for name in members] == ["closed"] * 5
    assert all(one.statistics.fates["late: starved"] == 200 for one in vote.served.values())


async def test_no_ejection_takes_an_ensemble_below_its_quorum() -> None:
    members = good(5)
    vote = Vote(members)
    for fake in members.values():
        fake.said = ServerFault("500")
    await asked(vote, 50)
    assert sum(vote.circuit(name).closed for name in members) == 3
    assert sum(vote.circuit(name).panics for name in members) > 0
    for fake in members.values():
        fake.said = sure(1)
    (response,) = await asked(vote, 1)
    assert isinstance(response, InferResponse)
    assert response.report.answered == 3


async def test_whoever_was_left_alone_is_asked_again_when_another_goes_away() -> None:
    members = good(3)
    vote = Vote(members)
    members["a"].said = ServerFault("500")
    await asked(vote, FAILURES + 1)
    members["a"].said = sure(1)
    assert not vote.circuit("a").closed
    vote.served["b"].replicas[0].state.phase = vote.served["b"].state.phase = "away"
    await asyncio.sleep(0.1)
    (response,) = await asked(vote, 1)
    assert isinstance(response, InferResponse)
    assert reasons(response) == {"a": "ok", "b": "away", "c": "ok"}
    assert vote.circuit("a").panics == 1


async def test_one_of_two_replicas_can_always_be_left_alone() -> None:
    replicas = [Fake(ServerFault("500")), Fake(sure(1), delay=0.1)]
    vote = Vote({"m": replicas}, terms=Terms(quorum=1, early=False))
    results = await asked(vote, 100)
    circuits = [one.circuit for one in vote.served["m"].replicas]
    assert [one.closed for one in circuits] == [False, True]
    assert [reason(one) for one in results[-20:]] == ["ok"] * 20


async def test_alone_it_is_refused_at_once_rather_than_waited_for_in_vain() -> None:
    served = behind_layers("m", [Fake(ServerFault("500"))])
    for _ in range(FAILURES):
        with pytest.raises(ServerFault):
            await served.backend(ones(), deadline_after(1))
    with pytest.raises(BreakerOpen):
        await served.backend(ones(), deadline_after(1))
    assert served.statistics.fates["skipped: breaker_open"] == 1


async def test_what_is_cached_is_asked_once_and_what_is_asked_at_once_too() -> None:
    inner = Fake(sure(1), delay=1)
    served = behind_layers("m", [inner], BackendSettings(cache=True, coalesce=True))
    await asyncio.gather(*(served.backend(ones(), deadline_after(5)) for _ in range(10)))
    for _ in range(10):
        await served.backend(ones(), deadline_after(5))
    statistics = served.statistics
    assert (len(inner.calls), statistics.asked, statistics.tries) == (1, 20, 1)
    assert (statistics.cache_hits, statistics.cache_misses, statistics.coalesced) == (10, 10, 9)


async def test_a_backend_that_hangs_opens_its_breaker_with_coalesced_calls_too() -> None:
    inner = Fake(sure(1), delay=0.01)
    served = behind_layers("m", [inner], BackendSettings(coalesce=True))
    for _ in range(20):
        await served.backend(ones(), deadline_after(1))
    inner.delay = HANGS
    for _ in range(FAILURES):
        with pytest.raises(BackendError):
            await served.backend(ones(), deadline_after(1))
    await settle()
    assert not served.replicas[0].circuit.closed


async def test_a_server_that_drains_tries_nothing_again() -> None:
    served = behind_layers("m", [Script((0.0, lost), (0.0, sure(1)))])
    current = Current(Composition({"m": served}, "m"))
    assert current.ready()
    current.drain()
    assert not current.ready()
    with pytest.raises(ConnectionLost):
        await served.backend(ones(), deadline_after(5))
    assert served.statistics.retries == 0


async def test_while_calls_are_refused_for_want_of_room_none_is_tried_again() -> None:
    inner = Script((0.5, lost), (0.0, sure(1)))
    served = behind_layers("m", [inner], BackendSettings(limit=1, queue=0))
    first = asyncio.create_task(served.backend(ones(), deadline_after(5)))
    await settle()
    with pytest.raises(Overloaded):
        await served.backend(ones(), deadline_after(5))
    with pytest.raises(ConnectionLost):
        await first
    assert served.statistics.retries == 0


async def test_the_usual_layers_are_on() -> None:
    assert (PLAIN.breaker, PLAIN.retry, PLAIN.hedge, PLAIN.cache, PLAIN.coalesce) == (True, True, False, False, False)


async def test_a_drill_is_taken_for_the_real_thing_and_over_when_it_is_over() -> None:
    vote = Vote(good(5))
    await asked(vote, 30)
    vote.served["a"].state.drill = Drill(kind="stop")
    results = await asked(vote, FAILURES + 1)
    told = [reasons(one)["a"] for one in results if isinstance(one, InferResponse)]
    assert told == ["timeout"] * FAILURES + ["breaker_open"]
    vote.served["a"].state.drill = None
    await asyncio.sleep(1)
    (response,) = await asked(vote, 1)
    assert isinstance(response, InferResponse)
    assert response.report.status == "complete"


@pytest.mark.parametrize(
    ("drill", "fate"),
    [
        (Drill(kind="garbage"), "failed: invalid"),
        (Drill(kind="fail"), "failed: error"),
        (Drill(kind="slow", delay=5), "late: timeout"),
        (Drill(kind="slow", delay=0.05), "ok"),
    ],
)
async def test_what_is_drilled_is_counted_as_what_it_is(drill: Drill, fate: str) -> None:
    vote = Vote(good(5))
    vote.served["a"].state.drill = drill
    (response,) = await asked(vote, 1)
    assert isinstance(response, InferResponse)
    said = response.report.members["a"]
    assert ": ".join(filter(None, (said.fate, said.reason))) == fate
    await settle()
    assert vote.served["a"].statistics.fates == {fate: 1}


async def test_a_drill_that_can_be_tried_again_is() -> None:
    served = behind_layers("m", [Fake(sure(1)), Fake(sure(1))])
    served.state.drill = Drill(kind="fail", reason="reset")
    with pytest.raises(ConnectionLost):
        await served.backend(ones(), deadline_after(1))
    assert (served.statistics.retries, served.statistics.drilled) == (1, 2)

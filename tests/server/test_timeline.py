"""One request as a timeline, from what an ensemble on the tests' own clock reports."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from aggregator.cascade import Cascade, Stage
from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from aggregator.stages import Sureness
from backends.base import Backend
from backends.chain import Chain, Step
from backends.wiring import wired
from models.deadline import deadline_after
from models.errors import BackendError, ConnectFailed
from models.types import NO_PARAMETERS, PROBABILITIES, Array, Parameters, Signature, TensorSpec
from server.journal import Entry
from server.timeline import summary, timeline
from tests.fakes import NUMBER, YES_NO, Fake, now, ones, serve, sure

REAPER = Reaper()
BEFORE = 0.25  # seconds that reading and decoding took


def vote(
    rule: str, members: dict[str, Backend], signature: Signature = YES_NO, fallback: Array | None = None
) -> Ensemble:
    served = [serve(name, backend, signature) for name, backend in members.items()]
    whole, assembled = assemble(served, {}, ())
    made = make_rule(rule, signature.task, len(signature.labels))
    return Ensemble(assembled, whole, made, Terms(fallback=fallback), reaper=REAPER, clock=now)


async def entry_of(ensemble: Backend, rows: int = 1, parameters: Parameters = NO_PARAMETERS) -> Entry:
    """What is kept of a request that came `BEFORE` the fan-out and had ten seconds."""
    entry = Entry("the-id", 1e9, "m", 200, now() - BEFORE, 0.0, rows, labels=YES_NO.labels)
    try:
        response = await ensemble(msgspec.structs.replace(ones(rows), parameters=parameters), deadline_after(10))
    except BackendError as error:
        return msgspec.structs.replace(
            entry, elapsed=now() + BEFORE, http_status=503, code=f"no_{error.reason}", report=error.report
        )
    answer = response.outputs.get(PROBABILITIES)
    return msgspec.structs.replace(entry, elapsed=now() + BEFORE, report=response.report, answer=answer)


async def shown(ensemble: Backend, rows: int = 1) -> dict[str, Any]:
    return timeline(await entry_of(ensemble, rows))


async def test_offsets_count_from_when_the_request_came() -> None:
    found = await shown(vote("soft", {"a": Fake(sure(1), delay=1), "b": Fake(sure(1), delay=3)}))
    assert (found["time"], found["elapsed_ms"]) == ("2001-09-09T01:46:40.000Z", 3250)
    assert [(one["name"], one["start_ms"], one["duration_ms"]) for one in found["members"]] == [
        ("a", 250, 1000),
        ("b", 250, 3000),
    ]
    assert (found["decided_by"], found["decided_at_ms"], found["at_deadline"]) == ("b", 3250, False)


async def test_offsets_within_an_ensemble_count_from_the_same_moment() -> None:
    inner = vote("soft", {"a": Fake(sure(1), delay=2)})
    found = await shown(vote("soft", {"whole": inner, "b": Fake(sure(1))}))
    (within,) = found["members"][0]["members"]
    assert (within["name"], within["start_ms"], within["duration_ms"]) == ("a", 250, 2000)
    assert within["said"]["predictions"] == ["yes"]


@pytest.mark.parametrize(
    ("rule", "members", "decided"),
    [
        (
            "hard",
            {"a": Fake(sure(1)), "b": Fake(sure(1), delay=1), "c": Fake(sure(1), delay=2)},
            "decided by b at 1.25e+03 ms",
        ),
        ("soft", {"a": Fake(sure(1)), "b": Fake(sure(1), delay=1)}, "complete with b at 1.25e+03 ms, the last"),
        (
            "soft",
            {"a": Fake(sure(1)), "b": Fake(sure(1)), "c": Fake(ConnectFailed("x"), delay=1)},
            "partial with c (failed: connect) at 1.25e+03 ms, the last",
        ),
        (
            "soft",
            {"a": Fake(sure(1)), "b": Fake(ConnectFailed("x"), delay=1)},
            "quorum out of reach after b (failed: connect) at 1.25e+03 ms",
        ),
        (
            "soft",
            {"a": Fake(sure(1)), "b": Fake(sure(1)), "c": Fake(sure(1), delay=99)},
            "deadline at 9.95e+03 ms, with 2 of 3",
        ),
        (
            "soft",
            {"a": Fake(sure(1)), "b": Fake(sure(1), delay=99), "c": Fake(sure(1), delay=99)},
            "deadline at 9.95e+03 ms, with 1 of 3, too few for the quorum of 2",
        ),
    ],
)
async def test_what_decided_it_is_said_in_words(rule: str, members: dict[str, Backend], decided: str) -> None:
    assert (await shown(vote(rule, members)))["decided"] == decided


async def test_a_fallback_is_named_as_what_it_is() -> None:
    ensemble = vote("soft", {"a": Fake(ConnectFailed("x"), delay=1)}, fallback=np.array([1.0, 0.0]))
    found = await shown(ensemble)
    assert found["status"] == "fallback"
    assert found["decided"] == "quorum out of reach after a (failed: connect) at 1.25e+03 ms: the fallback"


async def test_what_everyone_said_is_in_words() -> None:
    members = {"a": Fake([[0.25, 0.75], [1, 0]]), "b": Fake(ConnectFailed("x")), "c": Fake(sure(1, 2))}
    found = await shown(vote("soft", {**members}), 2)
    a, b, _ = found["members"]
    assert a["said"] == {"predictions": ["yes", "no"], "labels": ("no", "yes"), "probabilities": [[0.25, 0.75], [1, 0]]}
    assert "said" not in b
    assert (b["fate"], b["reason"]) == ("failed", "connect")
    assert found["answer"]["predictions"] == ["yes", "no"]
    assert found["answer"]["agreement"] == [1.0, 0.5]


async def test_a_regression_says_numbers() -> None:
    found = await shown(vote("mean", {"a": Fake([1.5]), "b": Fake([2.5])}, NUMBER))
    assert [one["said"] for one in found["members"]] == [{"predictions": [1.5]}, {"predictions": [2.5]}]


async def test_without_an_answer_it_is_failed_and_has_its_members_all_the_same() -> None:
    entry = await entry_of(vote("soft", {"a": Fake(sure(1)), "b": Fake(ConnectFailed("x"))}))
    assert {key: summary(entry)[key] for key in ("status", "http_status", "answered", "asked")} == {
        "status": "failed", "http_status": 503, "answered": 1, "asked": 2,
    }  # fmt: skip
    assert "answer" not in timeline(entry)
    assert [one["fate"] for one in timeline(entry)["members"]] == ["ok", "failed"]


def test_a_request_that_reached_nobody_says_where_its_fault_is() -> None:
    entry = Entry("the-id", 0.0, "m", 400, 0.0, 0.001, code="invalid_request", place="$.instances[0]")
    assert timeline(entry)["decided"] == "invalid_request in $.instances[0]"
    assert (timeline(entry)["status"], timeline(entry)["asked"]) == ("failed", None)


async def test_the_stages_of_a_cascade_begin_one_after_the_other() -> None:
    cheap, dear, dearest = (Fake([[0.5, 0.5]], delay=seconds) for seconds in (1, 2, 3))
    served = [serve(name, backend) for name, backend in (("a", cheap), ("b", dear), ("c", dearest))]
    whole, members = assemble(served, {}, ())
    stages, sureness = [Stage((member,)) for member in members], Sureness(1.0, 0.9)
    cascade = Cascade(stages, whole, make_rule("soft", "classification", 2), sureness, reaper=REAPER, clock=now)
    found = await shown(cascade)
    begun = {one["name"]: (one["stage"], one["start_ms"], one["duration_ms"]) for one in found["members"]}
    assert begun == {"a": (1, 250, 1000), "b": (2, 1250, 2000), "c": (3, 3250, 3000)}
    assert (found["stages"], found["decided"]) == ([3], "stage 3 of 3: complete with c at 6.25e+03 ms, the last")
    dear.said = sure(1)
    cheap.said = [[0.5, 0.5], [0.0, 1.0]]
    sure_now = await shown(
        Cascade(stages, whole, make_rule("max", "classification", 2), Sureness(0.0, 0.6), reaper=REAPER, clock=now),
        rows=2,
    )
    assert sure_now["stages"] == [2, 1]
    assert sure_now["decided"].startswith("stage 2 of 3: ")
    assert [one["said"]["predictions"] for one in sure_now["members"][:2]] == [["no", "yes"], ["yes", None]]
    assert (sure_now["members"][2]["start_ms"], sure_now["members"][2]["fate"]) == (None, "unneeded")


def chain(**steps: Backend) -> Chain:
    """Steps that each take what the request has and the probabilities that were said before."""
    served = [serve(name, backend) for name, backend in steps.items()]
    after = replace(YES_NO, inputs=(*YES_NO.inputs, TensorSpec("said", "FP64", (-1, 2), ("no", "yes"))))
    served = [served[0], *(replace(one, signature=after) for one in served[1:])]
    wiring = wired(served, {})
    return Chain([Step(*one) for one in zip(served, wiring.feeds, wiring.used, strict=True)], clock=now)


async def test_each_step_of_a_chain_has_its_own_start_and_what_it_asked_is_under_it() -> None:
    members = vote("soft", {"a": Fake(sure(1), delay=1), "b": Fake(sure(1), delay=3)})
    found = await shown(chain(first=Fake(sure(1), delay=2), then=members))
    assert [(part["name"], part["start_ms"], part["duration_ms"]) for part in found["parts"]] == [
        ("first", 250, 2000),
        ("then", 2250, 3000),
    ]
    inner = found["parts"][1]["members"]
    assert [(one["name"], one["start_ms"], one["duration_ms"]) for one in inner] == [
        ("a", 2250, 1000),
        ("b", 2250, 3000),
    ]
    assert found["decided"] == "complete with b at 5.25e+03 ms, the last"


async def test_without_a_vote_it_is_told_who_answered() -> None:
    found = await shown(chain(first=Fake(sure(1)), then=Fake(sure(1))))
    assert (found["decided"], "members" in found) == ("answered by first, then", False)


async def test_a_failed_step_is_told_and_what_was_not_reached_has_no_start() -> None:
    found = await shown(chain(first=Fake(sure(1), delay=1), then=Fake(ConnectFailed("refused")), last=Fake(sure(1))))
    assert (found["status"], found["decided"]) == ("failed", "no_connect of then")
    assert [(part["fate"], part["reason"], part["start_ms"]) for part in found["parts"]] == [
        ("ok", None, 250),
        ("failed", "connect", 1250),
        ("skipped", "not_reached", None),
    ]


async def test_a_chain_in_a_vote_has_its_steps_under_it() -> None:
    found = await shown(
        vote("soft", {"a": chain(first=Fake(sure(1), delay=1), then=Fake(sure(1))), "b": Fake(sure(1))})
    )
    member = found["members"][0]
    assert [(part["name"], part["start_ms"]) for part in member["parts"]] == [("first", 250), ("then", 1250)]

"""Every caller gets its outcome, whatever the rule, the members and the other callers do."""

import asyncio

import numpy as np
import pytest

from aggregator.fanout import Fanout
from aggregator.member import Member, assemble
from aggregator.reaper import Reaper
from aggregator.rules import Rule, make_rule
from aggregator.tally import Quorum, Tally
from models.deadline import Deadline
from models.errors import RuleFailed
from models.types import Array, InferResponse
from tests.fakes import Fake, now, ones, serve, settle, sure

ANY = Quorum(1, 0.0)
BOTH = Quorum(2, 0.0)


class Failing:
    """A rule that raises `error` in one of its methods."""

    early = True

    def __init__(self, error: Exception, *, method: str) -> None:
        self._error = error
        self._method = method

    def combine(self, scores: Array, weights: Array) -> Array:
        if self._method == "combine":
            raise self._error
        return np.array(scores[0])

    def settled(self, scores: Array, weights: Array, outstanding: Array) -> Array:
        if self._method == "settled":
            raise self._error
        return np.ones(len(outstanding), dtype=bool)


def members(*backends: Fake) -> tuple[Member, ...]:
    return assemble([serve(f"m{at}", backend) for at, backend in enumerate(backends)], {}, ())[1]


def fanout(rule: Rule, *backends: Fake, rows: int = 1, reaper: Reaper | None = None) -> Fanout:
    tally = Tally(rule, np.ones(len(backends)), rows=rows, classes=2)
    return Fanout(
        ones(rows), members(*backends), tally, Deadline(10), reaper=reaper or Reaper(), linger=0.01, clock=now
    )


@pytest.mark.parametrize("method", ["combine", "settled"])
@pytest.mark.parametrize("error", [RuleFailed("combine raised KeyError"), ZeroDivisionError("a bug")])
async def test_an_error_of_the_rule_reaches_every_caller_at_once(method: str, error: Exception) -> None:
    asked = fanout(Failing(error, method=method), Fake(sure(1, 2), delay=1), Fake(sure(1, 2), delay=2), rows=2)
    callers = [asked.answer(slice(at, at + 1), Deadline(9), ANY, early=True) for at in range(2)]
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert outcomes == [error, error]
    assert now() == 1


async def test_an_error_of_the_rule_at_the_deadline_reaches_the_caller() -> None:
    reaper = Reaper()
    rule = Failing(RuleFailed("combine raised KeyError"), method="combine")
    asked = fanout(rule, Fake(sure(1)), slow := Fake(sure(1), delay=9), reaper=reaper)
    with pytest.raises(RuleFailed):
        await asked.answer(slice(0, 1), Deadline(3), ANY, early=False)
    assert now() == 3
    await settle()
    assert (slow.cancelled, len(reaper)) == (1, 0)


async def test_the_traceback_of_a_users_rule_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = RuleFailed("combine raised KeyError")
    error.__cause__ = KeyError("the detail")
    with pytest.raises(RuleFailed):
        await fanout(Failing(error, method="combine"), Fake(sure(1))).answer(slice(0, 1), Deadline(3), ANY, early=False)
    assert "the detail" in caplog.text


async def test_an_answer_that_cannot_be_read_is_a_failed_member_and_holds_up_nobody() -> None:
    class Other(Fake):
        async def __call__(self, *args: object) -> InferResponse:
            return InferResponse({"something": np.zeros(1)})

    asked = fanout(make_rule("soft", "classification", 2), Fake(sure(1)), Other(()))
    frozen = await asked.answer(slice(0, 1), Deadline(9), ANY, early=False)
    assert [voice.fate for voice in frozen.voices] == ["ok", "failed"]
    assert now() == 0


async def test_a_caller_that_leaves_harms_nobody_else() -> None:
    asked = fanout(make_rule("soft", "classification", 2), Fake(sure(1, 2), delay=1), Fake(sure(1, 2), delay=2), rows=2)
    gone, stays = (
        asyncio.ensure_future(asked.answer(slice(at, at + 1), Deadline(9), BOTH, early=False)) for at in range(2)
    )
    await settle()
    gone.cancel()
    assert (await stays).status == "complete"
    assert now() == 2


async def test_each_caller_leaves_at_its_own_deadline_and_hears_of_its_own_rows_only() -> None:
    said = np.array([[0.1, 0.9], [0.8, 0.2]])
    asked = fanout(make_rule("soft", "classification", 2), Fake(said), Fake(said, delay=5), rows=2)
    early, late = await asyncio.gather(
        asked.answer(slice(0, 1), Deadline(1), ANY, early=False),
        asked.answer(slice(1, 2), Deadline(9), ANY, early=False),
    )
    assert ([voice.fate for voice in early.voices], early.elapsed) == (["ok", "late"], 1)
    assert (late.status, late.elapsed) == ("complete", 5)
    heard = [frozen.voices[0].scores[frozen.rows] for frozen in (early, late) if frozen.voices[0].scores is not None]
    assert [scores.tolist() for scores in heard] == [[[0.1, 0.9]], [[0.8, 0.2]]]


async def test_the_first_answer_lets_the_others_go() -> None:
    slow = Fake(sure(0), delay=8)
    asked = fanout(make_rule("first", "classification", 2), slow, Fake(sure(1), delay=1))
    frozen = await asked.answer(slice(0, 1), Deadline(9), ANY, early=True)
    assert frozen.status == "decided"
    assert frozen.combined is not None
    assert (frozen.combined.tolist(), now()) == ([[0, 1]], 1)
    await asyncio.sleep(0.02)
    assert slow.cancelled == 1

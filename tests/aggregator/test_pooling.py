"""Votes on many rows are put together in a thread, and come to the same to the last bit."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aggregator.averages import Mean
from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.pooling import LARGE, Pooling
from aggregator.reaper import Reaper
from aggregator.rules import Rule, make_rule
from aggregator.tally import Frozen, Tally
from backends.aside import Aside
from models.deadline import deadline_after
from models.errors import RuleFailed
from models.types import PREDICTIONS, PROBABILITIES, Array, Signature
from tests.fakes import NUMBER, YES_NO, Fake, ones, serve

MEMBERS = 3
ROWS = LARGE // (MEMBERS * 8) + 1  # of one number each are many
FEW = 100
WEIGHTS = np.array([1, 2, 1])
PROPER = [("hard", 2), ("soft", 2), ("log_pool", 2), ("max", 2), ("rank", 2), ("mean", 1), ("median", 1)]


class Slow(Mean):
    """A rule that does not come to an end before the event loop has turned; `thread` is the one that it is asked in."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.turned = threading.Event()
        self.thread = 0

    def combine(self, scores: Array, weights: Array) -> Array:
        self.thread = threading.get_ident()
        self.loop.call_soon_threadsafe(self.turned.set)
        assert self.turned.wait(60)
        return super().combine(scores, weights)


class Failing(Mean):
    """A rule of a user's that fails."""

    def combine(self, scores: Array, weights: Array) -> Array:
        raise RuleFailed("combine raised KeyError") from KeyError("a secret")


def said(classes: int, seed: int = 0) -> Array:
    """What each member says of each row, as real models do: (m, n, k)."""
    random = np.random.default_rng(seed)
    if classes == 1:
        return random.normal(size=(MEMBERS, ROWS, 1)) * 1e3
    return random.dirichlet(np.full(classes, 0.3), (MEMBERS, ROWS))


def tally(rule: Rule, scores: Array) -> Tally:
    """All members but the last have answered."""
    votes = Tally(rule, WEIGHTS, rows=scores.shape[1], classes=scores.shape[2])
    for member in range(MEMBERS - 1):
        votes.record(member, scores[member], 0.1)
    return votes


def frozen(votes: Tally) -> Frozen:
    return votes.freeze(slice(0, votes.shape[0]), "partial", elapsed=0.5, late=True)


def bits(answer: Frozen) -> list[bytes]:
    return [array.tobytes() for array in (answer.combined, answer.agreement, answer.entropy) if array is not None]


@pytest.mark.parametrize(("rule", "classes"), PROPER)
def test_many_rows_at_once_come_to_what_a_few_at_a_time_do(rule: str, classes: int) -> None:
    made = make_rule(rule, "regression" if classes == 1 else "classification", classes)
    scores = said(classes)
    many = frozen(tally(made, scores))
    assert many.pooling is not None
    assert many.combined is None
    parts = [frozen(tally(made, scores[:, at : at + FEW])) for at in range(0, ROWS, FEW)]
    assert all(part.pooling is None for part in parts)
    whole = [b"".join(each) for each in zip(*map(bits, parts), strict=True)]
    assert len(whole) == (1 if classes == 1 else 3)
    assert bits(many.pooled()) == whole


@pytest.mark.parametrize(("rule", "classes"), PROPER)
def test_who_answers_while_it_is_put_together_changes_nothing(rule: str, classes: int) -> None:
    made = make_rule(rule, "regression" if classes == 1 else "classification", classes)
    scores = said(classes)
    expected = bits(frozen(tally(made, scores)).pooled())
    votes = tally(made, scores)
    early = frozen(votes)
    votes.record(MEMBERS - 1, scores[-1], 0.6)
    late = frozen(votes)
    assert bits(early.pooled()) == expected
    assert bits(late.pooled()) != expected
    everyone = Tally(made, WEIGHTS, rows=ROWS, classes=classes)
    for member in range(MEMBERS):
        everyone.record(member, scores[member], 0.1)
    assert bits(late.pooled()) == bits(frozen(everyone).pooled())


def test_callers_of_one_moment_share_what_is_worked_out() -> None:
    scores = said(2)
    votes = tally(make_rule("soft", "classification", 2), scores)
    first, second = (votes.freeze(rows, "partial", elapsed=1, late=True) for rows in (slice(0, 10), slice(10, ROWS)))
    assert isinstance(first.pooling, Pooling)
    assert first.pooling is second.pooling
    one, other = first.pooled().combined, second.pooled().combined
    assert one is not None
    assert other is not None
    assert np.shares_memory(one.base, other.base)
    whole = frozen(tally(make_rule("soft", "classification", 2), scores)).pooled().combined
    assert whole is not None
    assert np.concatenate([one, other]).tobytes() == whole.tobytes()


def ensemble(rule: Rule, aside: Aside, signature: Signature, scores: Array) -> Ensemble:
    served = [serve(f"m{at}", Fake(own), signature) for at, own in enumerate(scores)]
    whole, members = assemble(served, {}, ())
    return Ensemble(members, whole, rule, Terms(), reaper=Reaper(), aside=aside)


async def test_the_loop_turns_while_many_rows_are_put_together() -> None:
    rule, scores = Slow(), said(1)[:, :, 0]
    with ThreadPoolExecutor(1) as executor:
        response = await ensemble(rule, Aside(executor), NUMBER, scores)(ones(ROWS), deadline_after(60))
    assert rule.thread != threading.get_ident()
    here = await ensemble(rule, Aside(), NUMBER, scores)(ones(ROWS), deadline_after(60))
    assert rule.thread == threading.get_ident()
    assert response.outputs[PREDICTIONS].tobytes() == here.outputs[PREDICTIONS].tobytes()


async def test_a_few_rows_are_put_together_where_they_are() -> None:
    scores = said(2)[:, :FEW]
    with ThreadPoolExecutor(1) as executor:
        executor.shutdown()  # whatever is asked of it fails
        rule = make_rule("soft", "classification", 2)
        response = await ensemble(rule, Aside(executor), YES_NO, scores)(ones(FEW), deadline_after(1))
    assert response.outputs[PROBABILITIES].shape == (FEW, 2)


async def test_a_rule_that_fails_in_the_thread_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    scores = said(1)[:, :, 0]
    with ThreadPoolExecutor(1) as executor, pytest.raises(RuleFailed, match="combine raised KeyError"):
        await ensemble(Failing(), Aside(executor), NUMBER, scores)(ones(ROWS), deadline_after(60))
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)

"""What is not needed is done without, by steps, and asked again when the pressure is gone."""

import pytest

from aggregator.brown_out import DOWN_SECONDS, STEP, UP_SECONDS, BrownOut
from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.batching import Batching
from models.deadline import deadline_after
from models.types import InferRequest, InferResponse, Parameters
from tests.fakes import Fake, now, ones, serve, sure


def test_it_begins_at_once_and_grows_by_steps() -> None:
    brown_out = BrownOut()
    assert brown_out.share(100) == 0
    brown_out.press(100)
    assert brown_out.share(100) == STEP
    brown_out.press(100 + UP_SECONDS / 2)
    assert brown_out.share(100 + UP_SECONDS / 2) == STEP
    for step in range(1, 10):
        brown_out.press(100 + step * UP_SECONDS)
    assert brown_out.share(101) == 1
    assert brown_out.begun == 1


def test_before_anyone_is_refused_everything_that_can_be_is_done_without() -> None:
    brown_out = BrownOut()
    brown_out.press(5, refused=True)
    assert brown_out.share(5) == 1


def test_without_pressure_it_is_over_step_by_step() -> None:
    brown_out = BrownOut()
    brown_out.press(5, refused=True)
    shares = [brown_out.share(5 + step * DOWN_SECONDS) for step in range(6)]
    assert shares == [1, 1 - STEP, 1 - 2 * STEP, 1 - 3 * STEP, 0, 0]
    brown_out.press(5 + 2 * DOWN_SECONDS)
    assert brown_out.share(5 + 2 * DOWN_SECONDS) == 1 - STEP
    assert brown_out.begun == 1
    brown_out.press(50)
    assert (brown_out.share(50), brown_out.begun) == (STEP, 2)


def test_it_can_be_switched_off() -> None:
    brown_out = BrownOut(enabled=False)
    brown_out.press(5, refused=True)
    assert brown_out.share(5) == 0


class Five:
    """An ensemble of five, `a` to `e`, of whom `e` takes longest; quorum 3 unless the terms say so."""

    def __init__(
        self, brown_out: BrownOut, *, weights: dict[str, float] | None = None, required: str = "", batched: bool = False
    ) -> None:
        self.fakes = {name: Fake(sure(1), delay=at / 100) for at, name in enumerate("abcde")}
        self.served = {name: serve(name, fake) for name, fake in self.fakes.items()}
        for at, one in enumerate(self.served.values()):
            one.statistics.begin()
            one.statistics.end("ok", at / 100)
        signature, members = assemble(list(self.served.values()), weights or {}, list(required))
        rule = make_rule("hard", "classification", 2)
        batching = Batching(max_rows=64) if batched else None
        self.ask = Ensemble(
            members,
            signature,
            rule,
            Terms(early=False),
            reaper=Reaper(),
            batching=batching,
            brown_out=brown_out,
            clock=now,
        )

    @property
    def asked(self) -> str:
        return "".join(name for name, fake in self.fakes.items() if fake.calls)


def pressed(share: float) -> BrownOut:
    brown_out = BrownOut()
    brown_out.press(0, refused=True)
    while brown_out.share(now()) > share:
        brown_out._pressed_at -= DOWN_SECONDS
    return brown_out


def shed(response: InferResponse) -> str:
    return "".join(name for name, said in response.report.members.items() if said.reason == "shed")


@pytest.mark.parametrize("batched", [False, True])
async def test_who_takes_longest_is_done_without_first_and_the_answer_says_so(batched: bool) -> None:
    five = Five(pressed(0.25), batched=batched)
    response = await five.ask(ones(), deadline_after(1))
    assert (shed(response), five.asked) == ("e", "abcd")
    report = response.report
    assert (report.status, report.degraded, report.answered, report.asked) == ("partial", True, 4, 5)
    assert report.members["e"].fate == "skipped"
    assert now() == pytest.approx(0.03)  # nobody waits for it


async def test_but_never_more_than_the_quorum_can_do_without() -> None:
    five = Five(pressed(1.0))
    response = await five.ask(ones(), deadline_after(1))
    assert (shed(response), response.report.answered) == ("de", 3)


async def test_the_lightest_goes_first_and_weight_counts_in_the_quorum() -> None:
    five = Five(pressed(1.0), weights={"a": 1, "b": 1, "c": 3, "d": 3, "e": 3})
    response = await five.ask(ones(), deadline_after(1))
    assert (shed(response), five.asked) == ("ab", "cde")


async def test_on_whoever_is_not_there_nobody_counts() -> None:
    five = Five(pressed(1.0))
    assert shed(await five.ask(ones(), deadline_after(1))) == "de"
    five.served["a"].state.phase = "away"
    assert shed(await five.ask(ones(), deadline_after(1))) == "e"
    five.served["b"].state.phase = "away"
    assert shed(await five.ask(ones(), deadline_after(1))) == ""
    five.served["a"].state.phase = five.served["b"].state.phase = "ready"
    assert shed(await five.ask(ones(), deadline_after(1))) == "de"


async def test_who_is_required_is_always_asked() -> None:
    five = Five(pressed(1.0), required="de")
    assert shed(await five.ask(ones(), deadline_after(1))) == "bc"


@pytest.mark.parametrize("parameters", [Parameters(quorum=5), Parameters(members=("a", "b", "c", "d", "e"))])
async def test_who_says_whom_it_wants_has_them(parameters: Parameters) -> None:
    five = Five(pressed(1.0))
    request = InferRequest(ones().inputs, "the-id", parameters)
    assert (await five.ask(request, deadline_after(1))).report.status == "complete"


async def test_afterwards_all_are_asked_again() -> None:
    brown_out = pressed(1.0)
    five = Five(brown_out)
    brown_out._pressed_at -= 10
    assert (await five.ask(ones(), deadline_after(1))).report.status == "complete"


async def test_whether_there_would_be_a_quorum_does_not_depend_on_it() -> None:
    five = Five(pressed(1.0))
    assert five.ask.answerable(lambda one: one.name in "cde")
    assert not five.ask.answerable(lambda one: one.name in "de")

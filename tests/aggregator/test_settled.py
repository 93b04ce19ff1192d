"""What an answer says about how it was settled, and what a disabled member means for it."""

from dataclasses import replace

import msgspec
import pytest

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.base import Backend
from backends.layers.gate import Gate
from backends.served import Served
from models.deadline import deadline_after
from models.errors import ConnectFailed, NoQuorum
from models.types import Parameters, Report, Settled
from tests.fakes import YES_NO, Fake, now, ones, serve, sure

REAPER = Reaper()


def together(
    *served: Served, rule: str = "hard", quorum: int | None = None, required: tuple[str, ...] = ()
) -> Ensemble:
    whole, members = assemble(served, {}, required)
    terms = Terms(quorum=quorum)
    return Ensemble(members, whole, make_rule(rule, "classification", 2), terms, reaper=REAPER, clock=now)


def vote(rule: str = "hard", quorum: int | None = None, **members: Backend) -> Ensemble:
    return together(*(serve(name, backend) for name, backend in members.items()), rule=rule, quorum=quorum)


async def report_of(ensemble: Ensemble, seconds: float = 5, **parameters: object) -> Report:
    request = msgspec.structs.replace(ones(), parameters=Parameters(**parameters))  # type: ignore[arg-type]  # by name
    try:
        return (await ensemble(request, deadline_after(seconds))).report
    except NoQuorum as error:
        return error.report


def gated(name: str, *, enabled: bool = True) -> Served:
    served = serve(name, Fake(sure(1)))
    served.state.enabled = enabled
    return replace(served, backend=Gate(served.backend, state=served.state))


async def test_the_answer_after_which_nothing_could_change_decided() -> None:
    report = await report_of(vote(a=Fake(sure(1)), b=Fake(sure(1), delay=2), c=Fake(sure(0), delay=9)))
    assert report.status == "decided"
    assert report.settled == Settled(0.0, 2.0, "b", late=False)


async def test_the_last_answer_completed() -> None:
    report = await report_of(vote("soft", a=Fake(sure(1), delay=3), b=Fake(sure(1), delay=1)))
    assert report.settled == Settled(0.0, 3.0, "a", late=False)


async def test_the_deadline_is_nobodys_doing() -> None:
    report = await report_of(vote("soft", a=Fake(sure(1)), b=Fake(sure(1), delay=1), c=Fake(sure(1), delay=9)))
    assert report.status == "partial"
    assert report.settled == Settled(0.0, 5 - 0.15, "", late=True)


async def test_a_failure_puts_the_quorum_out_of_reach() -> None:
    broken = Fake(ConnectFailed("no"), delay=3)
    report = await report_of(vote("soft", quorum=2, a=Fake(sure(1), delay=9), b=broken))
    assert report.settled == Settled(0.0, 3.0, "b", late=False)


async def test_a_member_that_is_an_ensemble_shows_its_own_report() -> None:
    inner = vote(a=Fake(sure(1)), b=Fake(sure(0)), c=Fake(sure(1), delay=2))
    report = await report_of(vote("soft", whole=inner, alone=Fake(sure(1))))
    own = report.members["whole"].report
    assert own is not None
    assert (own.settled, own.labels) == (Settled(0.0, 2.0, "c", late=False), YES_NO.labels)
    assert report.members["alone"].report is None


async def test_a_member_that_is_an_ensemble_without_a_quorum_shows_why() -> None:
    inner = vote("soft", a=Fake(ConnectFailed("no")), b=Fake(sure(1)))
    report = await report_of(vote("soft", quorum=1, whole=inner, alone=Fake(sure(1))))
    own = report.members["whole"].report
    assert own is not None
    assert own.members["a"].reason == "connect"


async def test_a_disabled_member_is_skipped_in_sight_of_who_asked_for_it() -> None:
    ensemble = together(gated("a"), gated("b", enabled=False), gated("c"), rule="soft")
    assert set((await report_of(ensemble)).members) == {"a", "c"}
    report = await report_of(ensemble, members=("a", "b"))
    assert (report.status, report.degraded, report.asked, report.quorum) == ("partial", True, 2, 1)
    assert (report.members["b"].fate, report.members["b"].reason) == ("skipped", "disabled")


async def test_whoever_asks_for_disabled_members_only_gets_no_answer() -> None:
    report = await report_of(together(gated("a"), gated("b", enabled=False), rule="soft"), members=("b",))
    assert report.answered == 0
    assert report.settled is not None
    assert not report.settled.late


@pytest.mark.parametrize(
    ("quorum", "required", "disabled", "there", "can"),
    [
        (None, (), "", "abc", True),
        (None, (), "", "ab", True),
        (None, (), "", "a", False),
        (None, (), "bc", "a", True),  # the majority of those that are asked
        (2, (), "bc", "a", False),
        (1, ("b",), "", "ac", False),
        (1, ("b",), "b", "ac", False),
    ],
)
async def test_an_ensemble_can_answer_with_its_quorum(
    quorum: int | None, required: tuple[str, ...], disabled: str, there: str, can: bool
) -> None:
    members = [gated(name, enabled=name not in disabled) for name in "abc"]
    ensemble = together(*members, rule="soft", quorum=quorum, required=required)
    assert ensemble.answerable(lambda served: served.name in there) is can

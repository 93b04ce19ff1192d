from collections.abc import Mapping
from dataclasses import replace

from aggregator.ensemble import Ensemble, Terms
from aggregator.member import assemble
from aggregator.reaper import Reaper
from aggregator.rules import make_rule
from backends.circuit import FAILURES
from backends.replica import Replica
from backends.served import Served, State
from server.spares import Spares
from tests.fakes import Fake, serve, sure


def model(name: str, replicas: int = 1) -> Served:
    fake = Fake(sure(1))
    places = tuple(Replica(f"{name}-{at}", fake) for at in range(replicas))
    return replace(serve(name, fake), replicas=places, state=State())


def ensemble(name: str, *members: Served, terms: Terms = Terms(), required: tuple[str, ...] = ()) -> Served:  # noqa: B008 - frozen
    signature, assembled = assemble(members, {}, required)
    whole = Ensemble(assembled, signature, make_rule("hard", "classification", 2), terms, reaper=Reaper())
    return replace(
        serve(name, whole),
        kind="ensemble",
        parts=tuple(one.name for one in members),
        answerable=whole.answerable,
        state=State(),
    )


def broken(served: Served) -> None:
    for replica in served.replicas:
        for _ in range(FAILURES):
            replica.circuit.fail(0, 0, spare=lambda: True)


def spare(name: str, served: Mapping[str, Served]) -> bool:
    spares = Spares()
    asks = spares.of(name)
    spares.served = served
    return asks()


def named(*served: Served) -> dict[str, Served]:
    return {one.name: one for one in served}


def test_one_that_nobody_holds_can_be_left_alone() -> None:
    a = model("a")
    assert spare("a", named(a))


def test_one_of_five_is_spare_and_so_is_another_but_not_a_third() -> None:
    members = [model(name) for name in "abcde"]
    served = named(*members, ensemble("all", *members))
    assert spare("a", served)
    broken(members[0])
    assert spare("b", served)
    broken(members[1])
    assert not spare("c", served)
    assert spare("a", served)  # which is left alone already


def test_who_is_away_or_disabled_is_not_there() -> None:
    members = [model(name) for name in "abc"]
    served = named(*members, ensemble("all", *members))
    members[2].replicas[0].state.phase = "away"
    assert not spare("a", served)
    members[2].replicas[0].state.phase = "ready"
    members[2].state.enabled = False  # then two are asked, and the quorum is both
    assert not spare("a", served)


def test_with_another_replica_it_is_there() -> None:
    members = [model("a", replicas=2), model("b"), model("c")]
    served = named(*members, ensemble("all", *members))
    broken(replace(members[0], replicas=members[0].replicas[:1]))
    assert spare("b", served)
    broken(members[0])
    assert not spare("b", served)


def test_who_is_required_is_never_spare() -> None:
    members = [model(name) for name in "abcde"]
    served = named(*members, ensemble("all", *members, required=("a",)))
    assert not spare("a", served)
    assert spare("b", served)


def test_it_must_be_spare_in_every_ensemble_that_holds_it() -> None:
    members = [model(name) for name in "abc"]
    served = named(*members, ensemble("three", *members), ensemble("two", *members[:2], terms=Terms(quorum=2)))
    assert not spare("a", served)
    assert spare("c", served)


def test_a_disabled_ensemble_holds_nobody() -> None:
    members = [model(name) for name in "ab"]
    both = ensemble("both", *members, terms=Terms(quorum=2))
    assert not spare("a", named(*members, both))
    both.state.enabled = False
    assert spare("a", named(*members, both))


def test_an_ensemble_counts_in_another_if_it_can_answer() -> None:
    inner = [model(name) for name in "xyz"]
    pair = ensemble("pair", *inner)
    a, b = model("a"), model("b")
    served = named(*inner, a, b, pair, ensemble("outer", a, b, pair))
    assert spare("a", served)
    broken(inner[0])
    assert spare("a", served)
    inner[1].replicas[0].state.phase = "away"  # without it the inner one cannot answer any more
    assert not spare("a", served)


def chain(name: str, *steps: Served) -> Served:
    return replace(
        serve(name, Fake(sure(1))),
        kind="chain",
        parts=tuple(one.name for one in steps),
        answerable=lambda ready: all(map(ready, steps)),
        state=State(),
    )


def test_a_step_of_a_chain_is_needed_by_an_ensemble_that_needs_the_chain() -> None:
    prepare, last, b, c = (model(name) for name in ("prepare", "last", "b", "c"))
    whole = chain("chain", prepare, last)
    served = named(prepare, last, whole, b, c, ensemble("all", whole, b, c))
    assert spare("prepare", served)
    broken(b)
    assert not spare("prepare", served)
    assert not spare("last", served)


def test_a_step_of_a_chain_that_no_ensemble_holds_can_be_left_alone() -> None:
    prepare, last = model("prepare"), model("last")
    assert spare("prepare", named(prepare, last, chain("chain", prepare, last)))

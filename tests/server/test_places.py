from backends.circuit import FAILURES
from backends.replica import Replica
from backends.served import State
from server.places import Place, breaker_of, places_of, places_together, shown_places
from tests.fakes import Fake, sure


def place(
    *, state: str = "ready", pid: int | None = None, in_flight: int = 0, breaker: str = "closed", counted: int = 0
) -> Place:
    return Place(
        state=state, pid=pid, in_flight=in_flight, breaker=breaker, opens=counted, probes=counted, panics=counted
    )


def test_a_replica_is_seen_as_it_is() -> None:
    one = Replica("http://a:1", Fake(sure(1)), State(pid=7), in_flight=3)
    for _ in range(FAILURES):
        one.circuit.fail(1, 1, spare=lambda: True)
    assert places_of([one], 1) == {
        "http://a:1": Place(state="ready", pid=7, in_flight=3, breaker="open", opens=1, probes=0, panics=0)
    }


def test_what_two_fronts_know_adds_up_and_the_worst_is_said() -> None:
    one = {"m": place(pid=7, in_flight=1, counted=2)}
    other = {"m": place(state="away", in_flight=2, breaker="half-open", counted=3)}
    assert places_together(one, other) == {"m": place(state="away", pid=7, in_flight=3, breaker="half-open", counted=5)}


def test_what_only_one_front_knows_yet_is_known() -> None:
    one, other = {"a": place()}, {"b": place()}
    assert set(places_together(one, other)) == {"a", "b"}


def test_a_backend_is_as_good_as_the_best_of_its_places() -> None:
    assert breaker_of([place(breaker="open"), place()]) == "closed"
    assert breaker_of([place(breaker="open"), place(breaker="half-open")]) == "half-open"
    assert breaker_of([place(breaker="open")]) == "open"


def test_an_address_has_no_process() -> None:
    assert "pid" not in shown_places({"m": place()})["m"]
    assert shown_places({"m": place(pid=7)})["m"]["pid"] == 7

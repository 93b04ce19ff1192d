"""What several fronts know of a backend, put together."""

from typing import Any

import msgspec
import pytest

from models.deadline import deadline_after
from server.composition import Composition
from server.debug import shown
from server.means import mean
from server.settings import BackendSettings
from server.snapshots import Snapshot, added_up, merged, taken
from tests.fakes import Fake, ones, serve, sure
from tests.layered import behind_layers


def snapshot(*durations: float, state: str = "ready", asked: int = 0, **more: Any) -> Snapshot:
    served = serve("a", Fake([0]))
    for seconds in durations:
        served.statistics.begin()
        served.statistics.end("ok", seconds)
    one = taken(Composition({"a": served}, "a"), served)
    fits = msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Snapshot)
    assert fits == one
    return msgspec.structs.replace(one, state=state, asked=one.asked + asked, more=more)


def test_counts_add_up_and_quantiles_are_of_all_durations() -> None:
    (whole,) = merged([[snapshot(0.001, 0.001, 0.001)], [snapshot(0.5)], [snapshot(asked=2)]])
    assert (whole.asked, whole.fates) == (6, {"ok": 4})
    latency = shown(whole)["latency_ms"]
    assert latency == {"p50": pytest.approx(1), "p90": pytest.approx(500), "p99": pytest.approx(500)}
    assert shown(snapshot())["latency_ms"] is None


def test_a_backend_is_as_ready_as_where_it_is_least() -> None:
    states = [[snapshot(state=state)] for state in ("ready", "unverified", "ready")]
    assert merged(states)[0].state == "unverified"


def test_names_that_only_some_have_are_there() -> None:
    other = msgspec.structs.replace(snapshot(), name="b")
    assert [one.name for one in merged([[snapshot()], [snapshot(), other]])] == ["a", "b"]


def test_what_only_some_backends_have_is_added_too() -> None:
    one = {"tokens": 1.5, "sizes": {"1": 2, "2": 1}, "breaker": "open", "last": ["x"], "since": None, "on": True}
    other = {"tokens": 2.0, "sizes": {"1": 1, "8": 4}, "breaker": "closed", "last": ["y"], "since": 3, "on": True}
    assert added_up(one, other) == {
        "tokens": 3.5, "sizes": {"1": 3, "2": 1, "8": 4}, "breaker": "open, closed", "last": ["x", "y"], "since": 3,
        "on": True,
    }  # fmt: skip
    assert added_up("open", "open") == "open"


async def test_what_the_layers_count_and_where_it_answers_adds_up() -> None:
    served = behind_layers("m", [Fake(sure(1)), Fake(sure(1))], BackendSettings(cache=True))
    for _ in range(3):
        await served.backend(ones(), deadline_after(1))
    one = taken(Composition({"m": served}, "m"), served)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Snapshot) == one
    (whole,) = merged([[one], [one]])
    said = shown(whole)
    assert (said["tries"], said["retries"], said["room"], said["breaker"]) == (2, 0, 64, "closed")
    assert said["cache"]["hits"] == 4
    assert set(said["replicas"]) == {"m-0", "m-1"}
    assert said["replicas"]["m-0"]["state"] == "ready"


def test_means_are_of_all_that_was_counted() -> None:
    one = snapshot(agreement=mean(9, 10), late=mean(0, 0), candidates={"a": {"would_change": mean(1, 2)}})
    other = snapshot(agreement=mean(0, 2), late=mean(0, 0), candidates={"a": {"would_change": mean(0, 2)}})
    (whole,) = merged([[one], [other]])
    assert shown(whole)["agreement"] == 0.75
    assert shown(whole)["late"] is None
    assert shown(whole)["candidates"] == {"a": {"would_change": 0.25}}

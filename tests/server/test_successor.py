"""Which plan may follow another, and what it takes over."""

from typing import Any

from msgspec.structs import replace

from server.crew import Crew
from server.plan import Plan
from server.settings import Config, DebugSettings, EnsembleSettings, LocalSettings, PythonSettings, ServerSettings
from server.successor import changes, is_same, obstacle, successor


def plan(number: int = 1, versions: dict[str, str] | None = None, **config: Any) -> Plan:
    versions = versions or {"a": "1", "b": "1"}
    backends = {name: LocalSettings(model=f"some/{name}") for name in versions}
    pinned = {name: f"some/{name}@{version}" for name, version in versions.items()}
    whole = {"backends": backends, "composites": {"vote": EnsembleSettings(members=tuple(versions))}, **config}
    return Plan(Config(**whole), pinned, dict.fromkeys(versions, "onnx"), "/run", number)


def crews(of: Plan) -> list[Crew]:
    return [Crew(name, of.generation(name), of.matter(name)) for name in of.workers()]


def test_workers_of_what_is_the_same_are_taken_over() -> None:
    old = plan()
    new = successor(plan(2, {"a": "1", "b": "2"}), crews(old))
    assert new.generations == {"a": 1, "b": 2}
    assert old.socket("a") == new.socket("a")
    assert old.socket("b") != new.socket("b")


def test_the_way_back_takes_over_workers_that_are_still_there() -> None:
    old = plan()
    new = successor(plan(2, {"a": "1", "b": "2"}), crews(old))
    back = successor(plan(3), [*crews(old), *crews(new)])
    assert back.generations == {"a": 1, "b": 1}
    assert is_same(old, back)


def test_of_several_crews_that_fit_the_latest_is_taken() -> None:
    old, fresh = plan(), plan(2)
    assert successor(plan(3), [*crews(old), *crews(fresh)]).generations == {"a": 2, "b": 2}


def test_workers_for_other_settings_are_others() -> None:
    old = plan()
    for changed in (
        {"backends": {"a": LocalSettings(model="some/a", threads=2), "b": LocalSettings(model="some/b")}},
        {"server": ServerSettings(max_body_bytes=1000)},
    ):
        assert successor(plan(2, **changed), crews(old)).generations["a"] == 2
    assert successor(plan(2, server=ServerSettings(default="a")), crews(old)).generations == {"a": 1, "b": 1}


def test_what_it_cannot_change_is_said_in_one_line() -> None:
    old = plan()
    assert obstacle(old, plan(2, {"a": "7"}), restart=False) == ""
    assert obstacle(old, plan(2, server=ServerSettings(default="a")), restart=False) == ""
    ports = plan(2, server=ServerSettings(port=1, fronts=3))
    for restart in (False, True):
        assert "[server] port, fronts cannot be changed" in obstacle(old, ports, restart=restart)
    slow = plan(2, server=ServerSettings(max_timeout_ms=1))
    assert "chorus reload --restart" in obstacle(old, slow, restart=False)
    assert obstacle(old, slow, restart=True) == ""
    assert obstacle(old, plan(2, debug=DebugSettings(enabled=True)), restart=False).startswith("[debug] can only")


def test_code_that_the_fronts_have_imported_takes_fresh_ones() -> None:
    function = PythonSettings(python="m:f", features=("x",), task="regression", inline=True)
    old = replace(plan(backends={"f": function}), pinned={"f": "m:f@1"})
    new = replace(old, number=2, pinned={"f": "m:f@2"})
    assert "the code of f" in obstacle(old, new, restart=False)
    assert obstacle(old, new, restart=True) == ""
    assert obstacle(old, replace(old, number=2), restart=False) == ""


def test_what_has_changed_is_said() -> None:
    old = plan()
    assert list(changes(old, plan(2, {"a": "1", "b": "2"}))) == ["b 1 -> 2"]
    assert set(changes(old, plan(2, {"a": "1", "c": "1"}))) == {"vote changed", "b is gone", "c is new"}
    assert not is_same(old, successor(plan(2, {"a": "1", "b": "2"}), crews(old)))
    assert is_same(old, successor(plan(2), crews(old)))

"""What all fronts together may do is what the configuration allows."""

import pytest

from server.plan import Plan
from server.settings import (
    CacheSettings,
    Config,
    LocalSettings,
    PythonSettings,
    RemoteSettings,
    ServerSettings,
    ThrottleSettings,
)
from server.shares import part, share_of


def plan(fronts: int) -> Plan:
    remote = RemoteSettings(
        model="m", url="http://h:1", features=("a",), limit=5, queue=0, throttle=ThrottleSettings(rate=7)
    )
    backends: dict[str, LocalSettings | RemoteSettings | PythonSettings] = {
        "near": LocalSettings(model="m", limit=1, queue=4),
        "far": remote,
    }
    return Plan(Config(server=ServerSettings(fronts=fronts), backends=backends), {}, {}, "")


def test_one_front_has_it_all() -> None:
    assert share_of(plan(1), 0) == plan(1)


def test_rates_and_limits_are_shared_and_everyone_may_do_something() -> None:
    shares = [share_of(plan(3), index).config.backends for index in range(3)]
    far = [share["far"] for share in shares]
    assert [one.limit for one in far] == [2, 2, 1]
    assert [one.throttle.rate for one in far if isinstance(one, RemoteSettings) and one.throttle] == [3, 2, 2]
    assert [share["near"].limit for share in shares] == [1, 1, 1]
    assert [share["near"].queue for share in shares] == [2, 1, 1]


def test_caches_are_shared_too() -> None:
    whole = RemoteSettings(model="m", url="http://h:1", features=("a",), cache=CacheSettings(entries=10, max_bytes=99))
    plans = [Plan(Config(server=ServerSettings(fronts=3), backends={"far": whole}), {}, {}, "")] * 3
    kept = [share_of(one, index).config.backends["far"].kept for index, one in enumerate(plans)]
    assert [(one.entries, one.max_bytes, one.ttl_s) for one in kept if one] == [(4, 33, 60), (3, 33, 60), (3, 33, 60)]


@pytest.mark.parametrize(("total", "fronts"), [(0, 1), (1, 3), (32, 5), (200, 64)])
def test_parts_add_up(total: int, fronts: int) -> None:
    parts = [part(total, fronts, index) for index in range(fronts)]
    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1

"""One composition after the other: what is the same stays, what is not is closed when nobody asks it any more."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.served import Served
from models.deadline import deadline_after
from models.registry import Registry
from server.codecs import kserve_v1
from server.compose import Composer
from server.config import ConfigError
from server.kinds import Backend
from server.plan import Plan, make_plan
from server.settings import Config, EnsembleSettings, PythonSettings, RegistrySettings

pytestmark = pytest.mark.sockets  # functions have threads, so that time must be real

CODE = """
def one(columns):
    return ["yes"] * len(columns["x"])

def other(columns):
    return ["no"] * len(columns["x"])
"""


class Made:
    """Plans of functions that run inline, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        (folder / "functions.py").write_text(CODE)

    def plan(self, functions: Mapping[str, str], members: list[str], **settings: Any) -> Plan:
        self._number += 1
        backends: dict[str, Backend] = {
            name: PythonSettings(
                python=f"functions:{function}",
                features=("x",),
                labels=("no", "yes"),
                path=str(self._folder),
                inline=True,
                **settings,
            )
            for name, function in functions.items()
        }
        config = Config(
            registry=RegistrySettings(path=str(self._folder / "registry")),
            backends=backends,
            composites={"vote": EnsembleSettings(members=tuple(members), rule="hard")},
        )
        return make_plan(config, Registry(self._folder / "registry"), self._folder, self._number)


@pytest.fixture
def made(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.delitem(sys.modules, "functions", raising=False)
    return Made(short_path)


async def ask(served: Served) -> object:
    call, _ = kserve_v1.decode(b'{"instances":[[1]]}', served.signature, "id", "", served.extra)
    response = await served.backend(call, deadline_after(5))
    answer = kserve_v1.encode(response, served.signature, served.name, 0.0, explain=False)
    return msgspec.json.decode(answer)["predictions"]


def threads() -> int:
    """How many models have one."""
    for thread in (ours := [one for one in threading.enumerate() if one.name.startswith("m-")]):
        thread.join(0.05)  # until one that is over has seen it
    return sum(thread.is_alive() for thread in ours)


async def test_what_is_the_same_is_the_same_object(made: Made) -> None:
    async with Composer() as composer:
        first = await composer.compose(made.plan({"m-a": "one", "m-b": "other", "m-c": "one"}, ["m-a", "m-b"]), {})
        composer.adopt(first)
        second = await composer.compose(made.plan({"m-a": "one", "m-b": "one", "m-c": "one"}, ["m-a", "m-b"]), {})
        same = {name for name in first.served if first.served[name] is second.served[name]}
        assert same == {"m-a", "m-c"}


async def test_both_can_be_asked_until_the_old_one_is_released(made: Made) -> None:
    async with Composer() as composer:
        first = await composer.compose(made.plan({"m-a": "one"}, ["m-a"]), {})
        composer.adopt(first)
        second = await composer.compose(made.plan({"m-a": "other"}, ["m-a"]), {})
        composer.adopt(second)
        assert (await ask(first.served["vote"]), await ask(second.served["vote"])) == (["yes"], ["no"])
        await composer.release(first)
        assert await ask(second.served["vote"]) == ["no"]
        assert threads() == 1


async def test_what_one_that_is_released_shares_stays_open(made: Made) -> None:
    async with Composer() as composer:
        first = await composer.compose(made.plan({"m-a": "one", "m-b": "one"}, ["m-a", "m-b"]), {})
        composer.adopt(first)
        second = await composer.compose(made.plan({"m-a": "one"}, ["m-a"]), {})
        composer.adopt(second)
        await composer.release(first)
        assert await ask(second.served["m-a"]) == ["yes"]
        assert threads() == 1


async def test_counts_go_on_and_what_is_known_of_a_version_does_not(made: Made) -> None:
    async with Composer() as composer:
        first = await composer.compose(made.plan({"m-a": "one"}, ["m-a"]), {})
        composer.adopt(first)
        await ask(first.served["vote"])
        second = await composer.compose(made.plan({"m-a": "other"}, ["m-a"], batch=True), {})
        assert second.served["m-a"].statistics.batching is None  # the one that serves has none
        composer.adopt(second)
        await ask(second.served["vote"])
        served = second.served["m-a"]
        assert served.statistics.fates == {"ok": 2}
        assert second.served["vote"].statistics.asked == 2
        assert second.served["vote"].outcomes is first.served["vote"].outcomes
        assert served.statistics.batching is not None
        assert served.vitals is not None
        assert first.served["m-a"].vitals is not None
        assert served.vitals.latency is not first.served["m-a"].vitals.latency


async def test_one_that_cannot_be_made_leaves_the_other_as_it_was(made: Made) -> None:
    async with Composer() as composer:
        first = await composer.compose(made.plan({"m-a": "one"}, ["m-a"]), {})
        composer.adopt(first)
        impossible = made.plan({"m-a": "one", "m-b": "other"}, ["m-a", "m-b"])
        settings = {"vote": EnsembleSettings(members=("m-a", "m-b"), rule="median")}
        with pytest.raises(ConfigError, match="rule"):
            await composer.compose(_with(impossible, settings), {})
        assert await ask(first.served["vote"]) == ["yes"]


def _with(plan: Plan, composites: dict[str, Any]) -> Plan:
    config = msgspec.structs.replace(plan.config, composites=composites)
    return msgspec.structs.replace(plan, config=config)

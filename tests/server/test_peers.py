"""Fronts ask each other over real sockets, and nobody is waited for longer than agreed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from server.folder import listening_at
from server.peers import NOBODY, PATIENCE_SECONDS, Answer, Heard, Kind, Peers, answering_peers, peers_of
from server.plan import Plan, write_plan
from server.settings import Config, LocalSettings, ServerSettings

pytestmark = pytest.mark.sockets


def plan(folder: Path, fronts: int = 3) -> Plan:
    config = Config(server=ServerSettings(fronts=fronts), backends={"a": LocalSettings(model="a")})
    made = Plan(config, {}, {}, str(folder))
    write_plan(made)
    return made


def says(what: Any) -> Mapping[Kind, Answer]:
    async def about(question: Any) -> Any:
        return [what, question]

    return {Kind.ABOUT: about}


async def ask(peers: Peers, kind: Kind = Kind.ABOUT) -> Heard[list[Any]]:
    return await peers.ask(kind, "?", list[Any])


async def test_everyone_else_is_asked_and_who_is_not_there_is_named(short_path: Path) -> None:
    async def encoded(_question: Any) -> bytes:
        return msgspec.msgpack.encode([3, "!"])

    peers = peers_of(plan(short_path), 1)
    assert await ask(peers) == ([], ["front 1", "front 3"])
    async with answering_peers(plan(short_path), 0, says(1)):
        assert await ask(peers) == ([[1, "?"]], ["front 3"])
        async with answering_peers(plan(short_path), 2, {Kind.ABOUT: encoded}):
            assert await ask(peers) == ([[1, "?"], [3, "!"]], [])
    assert await ask(peers) == ([], ["front 1", "front 3"])
    peers.close()


async def test_who_takes_its_time_or_fails_is_named(short_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def slow(_question: Any) -> None:
        await asyncio.sleep(60)

    async def broken(_question: Any) -> None:
        raise RuntimeError("a bug")

    peers = peers_of(plan(short_path), 0)
    now = asyncio.get_running_loop().time
    async with answering_peers(plan(short_path), 1, says(2)), answering_peers(plan(short_path), 2, {Kind.ABOUT: slow}):
        began = now()
        assert await ask(peers) == ([[2, "?"]], ["front 3"])
        assert now() - began >= PATIENCE_SECONDS - 0.005
        assert (await ask(peers, Kind.METRICS)).missing == ["front 2", "front 3"]  # neither knows that question
    async with answering_peers(plan(short_path), 1, {Kind.ABOUT: broken}):
        assert await ask(peers) == ([], ["front 2", "front 3"])
    assert "a bug" in caplog.text
    peers.close()


async def test_a_front_that_is_stopped_accepts_and_says_nothing(short_path: Path) -> None:
    peers = peers_of(plan(short_path, 2), 0)
    with listening_at(str(plan(short_path, 2).front_path(1, "sock"))):
        assert await ask(peers) == ([], ["front 2"])
    peers.close()


async def test_one_alone_asks_nobody_and_listens_nowhere(short_path: Path) -> None:
    alone = plan(short_path, 1)
    made = (short_path / "fronts").iterdir()  # seen only when it is asked
    assert peers_of(alone, 0).names == NOBODY.names == []
    async with answering_peers(alone, 0, {}):
        assert not any(made)
    assert await ask(NOBODY) == ([], [])

"""The open and the closed loop, against real servers that behave and that do not."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.bench.answers import read_v1
from server.bench.arrivals import constant
from server.bench.closed_loop import closed_loop
from server.bench.load import Load
from server.bench.measured import Measured
from server.bench.once import once
from server.bench.open_loop import open_loop
from server.bench.summary import summary_of
from server.bench.target import Target
from tests.scripted import Answer, Scripted, complete, response, scripted

pytestmark = pytest.mark.sockets

BODY = b'{"instances": [[1.0]]}'


def load(url: str, *bodies: bytes, **limits: Any) -> Load:
    target = Target.at(url)
    return Load(target, tuple(target.post("/predict", body) for body in bodies or (BODY,)), read_v1, **limits)


async def measured(
    answer: Answer, *, rate: float = 500, seconds: float = 0.02, **limits: Any
) -> tuple[Measured, Scripted]:
    async with scripted(answer) as server:
        return await open_loop(load(server.url, **limits), constant(rate, seconds)), server


async def test_all_are_sent_in_turn_on_connections_that_are_kept() -> None:
    async with scripted() as server:
        found = await open_loop(load(server.url, b"[1]", b"[2]", b"[3]"), constant(200, 0.3))
    assert found.offered == found.statuses[200] == len(found.latency) == 60
    assert server.bodies == [b"[1]", b"[2]", b"[3]"] * 20
    assert server.connections < 60
    assert not found.errors
    assert found.outcomes == {"complete": 60}
    assert found.members.summary()["a"].fates == {"ok": 60}


async def test_a_stall_counts_for_all_that_were_meant_to_leave_while_it_lasted() -> None:
    turn = asyncio.Lock()

    async def stalls_once(number: int, writer: asyncio.StreamWriter) -> None:
        async with turn:
            await asyncio.sleep(0.3 if number == 20 else 0)
            writer.write(response())

    found, _ = await measured(stalls_once, rate=200, seconds=0.5)
    levels = found.latency.at([79, 100])
    assert found.statuses == {200: 100}
    assert levels[1] >= 290
    assert levels[0] > 100  # about forty of a hundred were held up for more than that


async def test_a_stall_holds_no_departure_back() -> None:
    arrived: list[int] = []

    async def silent(number: int, writer: asyncio.StreamWriter) -> None:
        arrived.append(number)
        while len(arrived) < 10:  # noqa: ASYNC110 - nobody is answered before all have come
            await asyncio.sleep(0.001)
        writer.write(response())

    found, server = await measured(silent)
    assert found.statuses == {200: 10}
    assert server.most_under_way == server.connections == 10


async def test_where_connections_end_the_wait_for_one_counts() -> None:
    async def slow(_number: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(response())

    found, server = await measured(slow, connections=2)
    assert found.statuses == {200: 10}
    assert server.connections == server.most_under_way == 2
    assert found.latency.levels()["max"] >= 80  # five turns of 20 ms, of which 18 had passed before it was due


async def test_what_finds_no_connection_in_time_is_an_error_and_not_dropped() -> None:
    async def silent(_number: int, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    found, server = await measured(silent, connections=3, patience=0.3)
    assert found.offered == 10
    assert found.errors.total() == 10
    assert found.errors["timeout"] == len(server.bodies) >= 3  # whoever is given up makes room for one more
    assert found.errors["not sent"] == 10 - len(server.bodies)
    assert not found.latency


async def test_the_line_for_a_connection_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.bench.connections.MOST_WAITING", 4)
    async with scripted() as server:
        found = await open_loop(load(server.url, connections=1), [0.0] * 10)
    assert found.offered == 10
    assert found.errors == {"not sent": 6}
    assert found.statuses == {200: 4}


async def test_whoever_waits_for_a_connection_that_breaks_gets_another() -> None:
    async def hangs_up(_number: int, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with scripted(hangs_up) as server:
        found = await open_loop(load(server.url, connections=1), [0.0] * 5)
    assert found.errors.total() == found.errors["closed"] + found.errors["reset"] == 5
    assert server.connections == 5


async def test_a_server_that_hangs_up_before_it_answers() -> None:
    async def hangs_up(_number: int, writer: asyncio.StreamWriter) -> None:
        writer.close()

    found, _ = await measured(hangs_up)
    assert found.errors.total() == 10
    assert set(found.errors) <= {"closed", "reset"}
    assert found.errors["closed"]
    assert not found.statuses


async def test_a_server_that_resets() -> None:
    async def resets(_number: int, writer: asyncio.StreamWriter) -> None:
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    found, _ = await measured(resets)
    assert found.errors == {"reset": 10}


async def test_a_server_that_is_not_there() -> None:
    async with scripted() as server:
        pass
    found = await open_loop(load(server.url), constant(500, 0.02))
    assert found.errors == {"refused": 10}
    assert found.offered == 10


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"220 mail.example ESMTP\r\n\r\n", id="another protocol"),
        pytest.param(b"\x00" * 100, id="zeros"),
        pytest.param(response(b"<html>"), id="a page"),
        pytest.param(response(b"[" * 100_000), id="deep"),
        pytest.param(response() + response(), id="one answer too many"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="no length"),
    ],
)
async def test_nonsense_is_an_error_and_the_next_request_is_sent_all_the_same(said: bytes) -> None:
    async def talks(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(said if number % 2 else response())

    found, _ = await measured(talks, rate=100, seconds=0.1, connections=1)
    if said.startswith(response()):  # the answer counts, the surplus ends the connection
        assert found.statuses[200] + found.errors.total() == 10
        assert found.statuses[200] >= 5
    else:
        assert found.errors == {"malformed": 5}
        assert found.statuses == {200: 5}


async def test_an_answer_that_has_no_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.bench.connection.MOST_ANSWER_BYTES", 100_000)

    async def endless(_number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"{" + b" " * 1_000_000 + b"}"))

    found, _ = await measured(endless)
    assert found.errors == {"malformed": 10}


async def test_refusals_are_counted_by_status_with_a_latency_of_their_own() -> None:
    async def refuses(number: int, writer: asyncio.StreamWriter) -> None:
        problem = b'{"members": {"a": {"fate": "skipped", "reason": "away"}}}'
        writer.write(response(problem, "503 Service Unavailable") if number % 2 else response())

    found, _ = await measured(refuses)
    assert found.statuses == {200: 5, 503: 5}
    assert (len(found.latency), len(found.refusal)) == (5, 5)
    assert found.members.summary()["a"].fates == {"ok": 5, "skipped: away": 5}


async def test_a_server_that_ends_each_connection_is_no_failure() -> None:
    async def ends(_number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"{}", "200 OK", "Connection: close"))
        writer.close()

    found, server = await measured(ends, rate=100, seconds=0.1)
    assert found.statuses == {200: 10}
    assert server.connections == 10
    assert not found.errors
    async with scripted(ends) as server:
        found = await closed_loop(load(server.url, connections=2), 0.1)
    assert found.offered == found.statuses[200] == server.connections > 2
    assert not found.errors


async def test_a_server_that_ends_idle_connections_is_no_failure() -> None:
    async def ends_later(_number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(response())
        await writer.drain()
        writer.close()

    found, server = await measured(ends_later, rate=20, seconds=0.25)
    assert found.statuses == {200: 5}
    assert server.connections == 5


async def test_answers_in_pieces_in_chunks_and_after_an_interim_one_are_whole() -> None:
    async def pieces(number: int, writer: asyncio.StreamWriter) -> None:
        body = b'{"outcome":{"status":"complete"}}'
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
        whole = [
            response(body),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks,
            b"HTTP/1.1 100 Continue\r\n\r\n" + response(body),
        ][number % 3]
        for at in range(0, len(whole), 5):
            writer.write(whole[at : at + 5])
            await asyncio.sleep(0)

    found, server = await measured(pieces, rate=100, seconds=0.12, connections=1)
    assert found.outcomes == {"complete": 12}
    assert not found.errors
    assert server.connections == 1


async def test_an_interruption_keeps_what_was_measured() -> None:
    first = asyncio.Event()

    async def only_once(_number: int, writer: asyncio.StreamWriter) -> None:
        if first.is_set():
            await asyncio.Event().wait()
        first.set()
        writer.write(response())

    found = Measured(read_v1)
    async with scripted(only_once) as server:
        running = asyncio.create_task(open_loop(load(server.url), constant(200, 60), found))
        while found.offered < 5 or not found.statuses:  # noqa: ASYNC110 - the counters are what we wait for
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
    assert found.statuses == {200: 1}
    assert found.errors == {"interrupted": found.offered - 1}
    assert summary_of(found, seconds=60, rate=200).share == 1


async def test_the_rate_is_kept_and_when_the_generator_is_late_that_shows() -> None:
    async def holds_everyone_up(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 20:
            time.sleep(0.3)  # noqa: ASYNC251 - the generator is on this very loop
        writer.write(response())

    found, _ = await measured(holds_everyone_up, rate=200, seconds=0.5)
    summary = summary_of(found, seconds=0.5, rate=200)
    assert found.offered == found.statuses[200] == 100
    assert summary.generator.lag_ms["p99"] > 200
    assert summary.generator.doubt is not None
    assert found.latency.at([79])[0] > 100


async def test_a_closed_loop_has_as_many_under_way_as_it_has_connections() -> None:
    async def slow(_number: int, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(response())

    async with scripted(slow) as server:
        found = await closed_loop(load(server.url, connections=4), 0.2)
    assert server.connections == server.most_under_way == 4
    assert found.offered == found.statuses[200] == len(server.bodies)
    assert 4 < found.offered <= 84
    assert not found.errors


async def test_a_closed_loop_does_not_storm_a_server_that_is_down() -> None:
    async with scripted() as server:
        pass
    found = await closed_loop(load(server.url, connections=2), 0.3)
    assert set(found.errors) == {"refused"}
    assert 2 <= found.offered == found.errors.total() <= 14


async def test_a_closed_loop_goes_on_after_failures() -> None:
    async def fails_first(number: int, writer: asyncio.StreamWriter) -> None:
        if number < 3:
            writer.close()
        else:
            writer.write(response())

    async with scripted(fails_first) as server:
        found = await closed_loop(load(server.url, connections=1), 0.5)
    assert found.errors.total() == 3
    assert found.statuses[200] > 3


async def test_one_request_alone_says_what_came_of_it() -> None:
    async with scripted() as server:
        one = load(server.url)
        result = await once(one, one.requests[0])
        assert (result.status, result.body, result.error) == (200, response().split(b"\r\n\r\n")[1], None)
    assert (await once(one, one.requests[0])).error == "refused"


@pytest.mark.parametrize("wrong", [{"connections": 0}, {"patience": 0}])
async def test_limits_must_be_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        await open_loop(load("http://127.0.0.1:1", **wrong), constant(1, 1))


async def test_there_must_be_something_to_send() -> None:
    with pytest.raises(ValueError, match="at least one request"):
        Load(Target.at("http://127.0.0.1:1"), ())


Run = Callable[[Load], Awaitable[Measured]]


@pytest.mark.parametrize("run", [lambda one: open_loop(one, constant(10, 1)), lambda one: closed_loop(one, 1)])
async def test_a_name_without_an_address_is_an_error(run: Run) -> None:
    with pytest.raises(OSError, match=r"."):
        await run(load("http://no-such-name.invalid"))


async def test_nothing_is_left_behind() -> None:
    before = asyncio.all_tasks()
    async with scripted() as server:
        await open_loop(load(server.url), constant(500, 0.02))
        assert not {task for task in asyncio.all_tasks() - before if "bench" in str(task.get_coro())}
    await measured(complete)

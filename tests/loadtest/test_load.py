import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from loadtest.load import Result, example, quantile_ms, run, table

LOAD = Path(__file__).parents[2] / "loadtest" / "load.py"
BODY = b'{"instances": [[1.0]]}'
ANSWER = {"outcome": {"status": "complete"}, "members": {"forest": {"fate": "ok"}, "mlp": {"fate": "ok"}}}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers its requests one after the other, counted from 0, with what `answers` says of each."""

    def __init__(self, answers: Callable[[int], Awaitable[web.Response]]) -> None:
        self.answers = answers
        self.bodies: list[bytes] = []
        self.headers: list[str | None] = []
        self.turn = asyncio.Lock()

    async def predict(self, request: web.Request) -> web.Response:
        async with self.turn:
            self.bodies.append(await request.read())
            self.headers.append(request.headers.get("X-Request-Timeout-Ms"))
            return await self.answers(len(self.bodies) - 1)


async def complete(_index: int) -> web.Response:
    return web.json_response(ANSWER)


async def index(_request: web.Request) -> web.Response:
    models = {"forest": {"task": "classification"}, "cancer": {"example": {"instances": [[17.99, None]]}}}
    return web.json_response({"default": "cancer", "models": models})


@asynccontextmanager
async def serving(predict: Handler, about: Handler = index) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([web.post("/predict", predict), web.get("/", about)])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def measured(predict: Handler, *, rate: float, seconds: float, timeout_ms: float | None = None) -> Result:
    async with serving(predict) as url:
        return await run(f"{url}/predict", BODY, Result(rate), seconds=seconds, timeout_ms=timeout_ms)


async def command(*arguments: str) -> tuple[int | None, str]:
    """The exit code and the output of the script."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LOAD), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def test_quantiles_are_by_the_nearest_rank() -> None:
    seconds = [number / 1e3 for number in range(100, 0, -1)]
    assert [quantile_ms(seconds, share) for share in (0.5, 0.9, 0.99, 0.999, 1.0)] == [50, 90, 99, 100, 100]
    assert quantile_ms([0.007], 0.5) == 7
    assert quantile_ms([], 0.5) is None


def test_answers_are_counted_by_status_outcome_and_fate() -> None:
    result = Result(100)
    late = {"fate": "late", "reason": "timeout"}
    result.count(200, msgspec.json.encode(ANSWER))
    result.count(200, msgspec.json.encode({"outcome": {"status": "partial"}, "members": {"forest": late}}))
    result.count(504, msgspec.json.encode({"code": "no_quorum_in_time", "members": {"forest": late}}))
    result.count(200, b"<html>")
    summary = result.summary()
    assert summary["statuses"] == {"200": 3, "504": 1}
    assert summary["outcomes"] == {"complete": 1, "partial": 1, "unreadable": 1}
    assert summary["members"] == {"forest": {"ok": 1, "late timeout": 2}, "mlp": {"ok": 1}}


def test_the_table_says_what_the_summary_says() -> None:
    result = Result(100, sent=2, sending=0.01, latencies=[0.001, 0.002], lags=[0.0, 0.0])
    result.count(200, msgspec.json.encode(ANSWER))
    lines = [line.split() for line in table(result.summary()).splitlines()]
    assert ["sent", "requests", "2"] in lines
    assert ["rate", "wanted", "100", "reached", "100.0"] in lines
    assert ["errors", "none"] in lines
    assert ["forest", "ok", "1"] in lines


@pytest.mark.sockets
async def test_as_many_are_sent_as_were_asked_for_and_each_says_the_same() -> None:
    server = Server(complete)
    result = await measured(server.predict, rate=200, seconds=0.2, timeout_ms=500)
    assert result.sent == len(result.latencies) == len(result.lags) == 40
    assert server.bodies == [BODY] * 40
    assert set(server.headers) == {"500"}
    assert result.statuses == {"200": 40}
    assert not result.errors


@pytest.mark.sockets
async def test_who_had_to_wait_for_a_stalled_server_counts_the_wait() -> None:
    async def stalls_once(number: int) -> web.Response:
        await asyncio.sleep(0.3 if number == 20 else 0)
        return await complete(number)

    result = await measured(Server(stalls_once).predict, rate=200, seconds=0.5)
    summary = result.summary()["latency_ms"]
    assert result.statuses == {"200": 100}
    assert max(result.latencies) >= 0.29
    # the stall is one answer of a hundred, and about sixty were meant to leave while it lasted
    assert sum(latency > 0.1 for latency in result.latencies) >= 20
    assert summary["p99"] > 200


@pytest.mark.sockets
async def test_when_the_generator_itself_is_late_that_counts_and_shows() -> None:
    async def holds_everyone_up(number: int) -> web.Response:
        if number == 20:
            time.sleep(0.3)  # noqa: ASYNC251 - the generator is on this very loop
        return await complete(number)

    result = await measured(Server(holds_everyone_up).predict, rate=200, seconds=0.5)
    assert result.summary()["send_lag_ms"]["p99"] > 200
    assert sum(latency > 0.1 for latency in result.latencies) >= 20


@pytest.mark.sockets
async def test_a_stall_holds_no_departure_back() -> None:
    arrived: list[int] = []

    async def silent(_request: web.Request) -> web.Response:
        arrived.append(1)
        while len(arrived) < 10:  # noqa: ASYNC110 - nobody is answered before all have come
            await asyncio.sleep(0.001)
        return await complete(0)

    result = await measured(silent, rate=500, seconds=0.02)
    assert result.statuses == {"200": 10}


@pytest.mark.sockets
async def test_what_is_under_way_is_bounded_and_what_was_not_sent_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.load.MOST_UNDER_WAY", 3)
    asked: list[int] = []

    async def slow(_request: web.Request) -> web.Response:
        asked.append(1)
        await asyncio.sleep(0.3)
        return await complete(0)

    result = await measured(slow, rate=500, seconds=0.02)
    assert (result.sent, len(asked), result.statuses) == (3, 3, {"200": 3})
    assert result.errors == {"not sent: too many under way": 7}


@pytest.mark.sockets
async def test_hang_ups_and_refusals_are_errors_and_no_answers() -> None:
    async def hangs_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    result = await measured(hangs_up, rate=500, seconds=0.02)
    assert sum(result.errors.values()) == result.sent == 10
    assert not result.statuses
    assert result.latencies == []
    async with serving(hangs_up) as url:
        pass
    result = await run(f"{url}/predict", BODY, Result(500), seconds=0.02)
    assert result.errors == {"ClientConnectorError": 10}


@pytest.mark.sockets
async def test_an_interruption_keeps_what_was_measured() -> None:
    first = asyncio.Event()
    result = Result(200)

    async def only_once(_request: web.Request) -> web.Response:
        if first.is_set():
            await asyncio.Event().wait()
        first.set()
        return await complete(0)

    async with serving(only_once) as url:
        running = asyncio.create_task(run(f"{url}/predict", BODY, result, seconds=60))
        while result.sent < 5 or not result.latencies:  # noqa: ASYNC110 - the counter is what we wait for
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
    assert result.statuses == {"200": 1}
    assert result.errors == {"interrupted": result.sent - 1}


@pytest.mark.sockets
async def test_the_example_is_the_one_of_the_default_model() -> None:
    async with serving(Server(complete).predict) as url:
        assert await example(f"{url}/predict") == b'{"instances":[[17.99,null]]}'


@pytest.mark.processes
async def test_the_script_sends_the_example_and_exits_with_0_if_all_is_well() -> None:
    server = Server(complete)
    async with serving(server.predict) as url:
        code, output = await command(url, "--rate", "100", "--seconds", "0.1", "--json")
    assert code == 0
    assert msgspec.json.decode(output)["statuses"] == {"200": 10}
    assert server.bodies == [b'{"instances":[[17.99,null]]}'] * 10


@pytest.mark.processes
async def test_the_script_exits_with_1_if_anything_was_not_answered_200(tmp_path: Path) -> None:
    async def refuses_one(number: int) -> web.Response:
        return await complete(number) if number != 3 else web.json_response({}, status=503)

    body = tmp_path / "body.json"
    body.write_bytes(BODY)
    async with serving(Server(refuses_one).predict) as url:
        code, output = await command(f"{url}/predict", "--rate", "100", "--seconds", "0.1", "--body", str(body))
    assert code == 1
    assert "200 9  503 1" in output


@pytest.mark.processes
async def test_the_script_says_in_one_line_what_keeps_it_from_starting(tmp_path: Path) -> None:
    async with serving(Server(complete).predict) as url:
        pass
    code, output = await command(url)
    assert code == 1
    assert output.startswith("cannot ask ")
    assert output.count("\n") == 1
    code, output = await command(url, "--body", str(tmp_path / "none.json"))
    assert (code, output.count("\n")) == (1, 1)
    code, output = await command(url, "--rate", "0")
    assert code == 2

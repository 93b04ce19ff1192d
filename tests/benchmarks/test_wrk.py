"""What wrk prints, and wrk itself against a small server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.wrk import Load, WrkFailed, drive, read_printed, version, write_bodies

PRINTED = """Running 2s test @ http://127.0.0.1:1/predict
  1 threads and 2 connections
Requests/sec:      5.00
{"requests":6,"micros":600,"connect":1,"read":0,"write":0,"status":2,"timeout":0,"counts":[%s]}
"""


def test_errors_and_latencies_are_read_from_the_last_line() -> None:
    measured = read_printed(PRINTED % "[10,4],[30,2]", connections=2)
    assert (measured.requests, measured.seconds) == (6, 0.0006)
    assert measured.counts == {10: 4, 30: 2}
    assert measured.failed == {"connect": 1, "status": 2}


def test_what_wrk_added_is_taken_back() -> None:
    # two connections with three answers each in 600 us: wrk takes 200 us for the time between two requests
    measured = read_printed(PRINTED % "[10,5],[300,1],[500,1]", connections=2)
    assert measured.counts == {10: 5, 500: 1}


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(WrkFailed, match="add up to 7, not to its 6"):
        read_printed(PRINTED % "[10,7]", connections=2)


def test_other_output_is_refused_and_shown() -> None:
    with pytest.raises(WrkFailed, match="unable to connect"):
        read_printed("unable to connect to 127.0.0.1:1 Connection refused\n", connections=1)


def test_bodies_are_written_with_their_lengths(tmp_path: Path) -> None:
    assert write_bodies(tmp_path / "bodies", [b"{}", b"\n\n\n"]).read_bytes() == b"2\n{}3\n\n\n\n"


def test_wrk_says_its_version() -> None:
    assert "4." in version()


@asynccontextmanager
async def echo(seen: set[bytes]) -> AsyncIterator[str]:
    """A server that answers 503 to `fail`."""

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        seen.add(body + request.headers["X-Kind"].encode())
        return web.Response(status=503 if body == b"fail" else 200)

    app = web.Application()
    app.add_routes([web.post("/predict", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/predict"
    finally:
        await runner.cleanup()


@pytest.mark.sockets
async def test_wrk_sends_each_body_in_turn_and_counts_errors(tmp_path: Path) -> None:
    seen: set[bytes] = set()
    bodies = write_bodies(tmp_path / "bodies", [b"one", b"two\nlines", b"fail"])
    async with echo(seen) as url:
        measured = await asyncio.to_thread(drive, Load(url, bodies, {"X-Kind": "!"}), 2, 1)
    assert seen == {b"one!", b"two\nlines!", b"fail!"}
    assert sum(measured.counts.values()) == measured.requests > 3
    assert abs(3 * measured.failed["status"] - measured.requests) <= 6


@pytest.mark.sockets
async def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    bodies = write_bodies(tmp_path / "bodies", [b"one"])
    with pytest.raises(WrkFailed, match="refused"):
        await asyncio.to_thread(drive, Load("http://127.0.0.1:1/", bodies, {}), 1, 1)

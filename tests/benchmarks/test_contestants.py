"""Real servers that answer wrongly: their figures would mean nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.bench import JSON
from benchmarks.bodies import json_body
from benchmarks.contestants import Driven, RunFailed
from benchmarks.process import Server
from benchmarks.wrk import Load, write_bodies

pytestmark = pytest.mark.processes

DEGRADED = """
from aiohttp import web
from benchmarks.baselines.serving import serve
asked = []

async def predict(request):
    asked.append(await request.read())
    return web.Response()

async def metrics(request):
    complete = 'chorus_answers_total{ensemble="all",status="complete"} 7.0'
    return web.Response(text=f'{complete}\\nchorus_answers_total{{ensemble="all",status="partial"}} {len(asked)}.0\\n')

app = web.Application()
app.add_routes([web.post("/predict", predict), web.get("/metrics", metrics)])
serve(app)
"""


@pytest.fixture
def hello(tmp_path: Path) -> Iterator[Server]:
    with Server("hello", ["-m", "benchmarks.baselines.hello", "100"], tmp_path) as server:
        yield server


def load(server: Server, folder: Path, *bodies: bytes) -> Load:
    return Load(f"{server.origin}/predict", write_bodies(folder / "bodies", list(bodies)), JSON)


GOOD = json_body([[1.0]])


def test_a_slice_has_answers_and_the_time_of_the_server(hello: Server, tmp_path: Path) -> None:
    sample = Driven("hello", (hello,), load(hello, tmp_path, GOOD)).measure(2, 1)
    assert sample.requests == sum(sample.counts.values()) > 10
    assert 0 < sample.cpu_seconds < sample.seconds * 1.5
    assert not sample.failed


def test_an_error_ends_the_scenario(hello: Server, tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"hello: .* status [0-9]+ of [0-9]+ at 2 connections"):
        Driven("hello", (hello,), load(hello, tmp_path, GOOD, b"nonsense")).measure(2, 1)


def test_where_errors_are_a_figure_they_are_counted(hello: Server, tmp_path: Path) -> None:
    sample = Driven("hello", (hello,), load(hello, tmp_path, GOOD, b"nonsense"), strict=False).measure(2, 1)
    assert abs(2 * sample.failed["status"] - sample.requests) <= 4
    assert 0.4 < sample.rate * sample.seconds / sample.requests < 0.6


def test_degraded_answers_end_the_scenario_too(tmp_path: Path) -> None:
    with Server("degraded", ["-c", DEGRADED], tmp_path) as server:
        contestant = Driven("chorus", (server,), load(server, tmp_path, GOOD), is_chorus=True)
        with pytest.raises(RunFailed, match=r"chorus: .* partial [0-9]+ of"):
            contestant.measure(1, 1)

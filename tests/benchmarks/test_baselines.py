"""The programs that Chorus is compared with do what they are said to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from backends.oip import HEADER_LENGTH
from benchmarks.baselines import gather, hello, model, straggler
from benchmarks.baselines.direct import measured
from benchmarks.bodies import binary_body, json_body, real_rows
from benchmarks.chorus import MEMBERS
from models.oip.responses import decode_answer
from models.registry import Registry
from models.runtimes import load
from models.types import Array
from server.metadata import read_metadata

ROWS = real_rows()[:3]
X = np.array(ROWS, np.float32)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def post(url: str, body: bytes) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as response:
        return response.status, await response.read()


@pytest.mark.parametrize("member", MEMBERS)
def test_compiled_models_and_originals_say_the_same(trained: Registry, member: str) -> None:
    name = f"breast-cancer/{member}"
    compiled, original = model.compiled(trained, name)(X), model.original(trained, name)(X)
    assert compiled.shape == (3, 2)
    assert np.allclose(compiled, original, atol=1e-5)


def test_direct_asks_every_model_each_time() -> None:
    asked: list[str] = []

    def predict(name: str) -> model.Predict:
        def said(rows: Array) -> Array:
            asked.append(name)
            return rows

        return said

    printed = measured([predict("a"), predict("b")], X, seconds=0.01)
    assert asked == ["a", "b"] * printed.calls
    assert printed.seconds >= 0.01


@pytest.mark.sockets
async def test_hello_answers_so_many_bytes_and_parses_what_it_is_sent() -> None:
    async with serving(hello.make_app(400)) as url:
        status, answer = await post(f"{url}/predict", json_body(ROWS))
        assert (status, len(answer)) == (200, 400)
        assert (await post(f"{url}/predict", b'{"instances": [[1, "a"]]}'))[0] == 500


@pytest.mark.sockets
async def test_gather_averages_whoever_answers() -> None:
    def said(probability: float) -> model.Predict:
        return lambda rows: np.array([[probability, 1 - probability]] * len(rows))

    async with (
        serving(model.make_app(said(1.0))) as one,
        serving(model.make_app(said(0.5))) as other,
        serving(gather.make_app([f"{one}/predict", f"{other}/predict", f"{one}/nothing-here"])) as url,
    ):
        status, answer = await post(f"{url}/predict", json_body(ROWS))
    assert status == 200
    assert (
        answer == b'{"predictions":["malignant","malignant","malignant"],'
        b'"probabilities":[[0.75,0.25],[0.75,0.25],[0.75,0.25]],"answered":2}'
    )


@pytest.mark.sockets
async def test_gather_without_anyone_is_an_error() -> None:
    async with serving(gather.make_app(["http://127.0.0.1:1/predict"])) as url:
        assert (await post(f"{url}/predict", json_body(ROWS)))[0] == 503


@pytest.mark.sockets
async def test_the_straggler_answers_as_its_model_does_and_is_late_for_a_share_of_its_calls(trained: Registry) -> None:
    version = trained.resolve("breast-cancer/xgboost")
    served, signature = load(version.folder, version.manifest), version.manifest.signature
    body, length = binary_body(ROWS)
    headers = {HEADER_LENGTH: str(length)}
    async with (
        serving(straggler.make_app("xgboost", served, signature, 0.5, 30.0)) as url,
        aiohttp.ClientSession() as session,
    ):

        async def ask() -> tuple[str, bytes]:
            async with session.post(f"{url}/v2/models/xgboost/infer", data=body, headers=headers) as response:
                return response.headers[HEADER_LENGTH], await response.read()

        async with session.get(f"{url}/v2/models/xgboost") as response:
            metadata = read_metadata(await response.read())
        done, late = await asyncio.wait([asyncio.create_task(ask()) for _ in range(40)], timeout=1)
        for task in late:
            task.cancel()
        await asyncio.wait(late)
    assert {tensor.name for tensor in metadata.outputs} == {"predictions", "probabilities"}
    assert 10 < len(done) < 30
    for header, answer in (task.result() for task in done):
        outputs = decode_answer(answer, int(header), "xgboost", ["probabilities"]).outputs
        assert np.array_equal(outputs["probabilities"], served({"features": X})["probabilities"])

"""A server of the Open Inference Protocol, in the event loop of a test, that hangs or fails when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from backends.oip import HEADER_LENGTH
from models.oip.requests import decode_request
from models.oip.responses import encode_response
from models.types import PROBABILITIES, InferResponse
from tests.fakes import YES_NO, sure


class There:
    """Its one model, `m`, has the signature `tests.fakes.YES_NO`, and says `yes` after `delay()` seconds."""

    def __init__(self) -> None:
        self.calls = 0
        self.left = 0  # callers that have gone before they had their answer
        self.hangs = False
        self.delay: Callable[[], float] = float
        self.status = 200
        self.headers: dict[str, str] = {}
        self.address = ("", 0)

    @property
    def url(self) -> str:
        """Where it listens."""
        return "http://{}:{}".format(*self.address)

    async def about(self, _request: web.Request) -> web.Response:
        """Its metadata."""
        inputs = [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
        outputs = [{"name": PROBABILITIES, "datatype": "FP64", "shape": [-1, 2]}]
        return web.json_response({"name": "m", "platform": "x", "inputs": inputs, "outputs": outputs})

    async def infer(self, request: web.Request) -> web.Response:
        """Its answer."""
        self.calls += 1
        length = request.headers.get(HEADER_LENGTH)
        asked = decode_request(await request.read(), int(length) if length else None, YES_NO)
        try:
            await asyncio.sleep(self.delay())
            while self.hangs:  # noqa: ASYNC110 - a test says so in the middle of it
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.left += 1
            raise
        if self.status != 200:
            return web.Response(status=self.status, headers=self.headers)
        said = InferResponse({PROBABILITIES: sure(1, len(asked.inputs["features"]))})
        body, header = encode_response(said, YES_NO, asked.wanted, {"model_name": "m", "id": asked.id})
        return web.Response(body=body, headers={HEADER_LENGTH: str(header)} if header else {})


@asynccontextmanager
async def server() -> AsyncIterator[There]:
    """One that listens on a free port of 127.0.0.1."""
    one = There()
    app = web.Application()
    app.router.add_get("/v2/models/m", one.about)
    app.router.add_post("/v2/models/m/infer", one.infer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.address = runner.addresses[0][:2]
    try:
        yield one
    finally:
        one.hangs = False
        await runner.cleanup()

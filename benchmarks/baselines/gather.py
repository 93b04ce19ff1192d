"""What a good engineer writes in an afternoon: ask five model servers at once with asyncio.gather, and average.

    python -m benchmarks.baselines.gather URL...

One client session, one timeout, and whoever fails is left out of the average. The body is passed on as it came, which
is faster than to write it anew.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence

import aiohttp
import msgspec
import numpy as np
from aiohttp import web

from benchmarks.baselines.hello import Body
from benchmarks.baselines.serving import serve

TIMEOUT_S = 30.0  # so long that the slow originals fail nobody under full load
LABELS = ("malignant", "benign")

SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("session", aiohttp.ClientSession)


class Said(msgspec.Struct):
    """What a model server answers."""

    probabilities: list[list[float]]


def make_app(urls: Sequence[str]) -> web.Application:
    """`POST /predict` gives predictions and probabilities."""
    question, answer, encoder = msgspec.json.Decoder(Body), msgspec.json.Decoder(Said), msgspec.json.Encoder()

    async def ask(session: aiohttp.ClientSession, url: str, body: bytes) -> list[list[float]]:
        async with session.post(url, data=body) as response:
            response.raise_for_status()
            return answer.decode(await response.read()).probabilities

    async def predict(request: web.Request) -> web.Response:
        body = await request.read()
        question.decode(body)  # a bad one need not be sent five times
        session = request.app[SESSION]
        said = await asyncio.gather(*(ask(session, url, body) for url in urls), return_exceptions=True)
        votes = [one for one in said if not isinstance(one, BaseException)]
        if not votes:
            raise web.HTTPServiceUnavailable
        mean = np.mean(votes, axis=0)
        predictions = [LABELS[at] for at in mean.argmax(axis=1)]
        content = encoder.encode({"predictions": predictions, "probabilities": mean.tolist(), "answered": len(votes)})
        return web.Response(body=content, content_type="application/json")

    app = web.Application()
    app.cleanup_ctx.append(_session)
    app.add_routes([web.post("/predict", predict)])
    return app


async def _session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        app[SESSION] = session
        yield


if __name__ == "__main__":
    serve(make_app(sys.argv[1:]))

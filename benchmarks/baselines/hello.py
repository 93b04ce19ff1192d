"""The ceiling: bare aiohttp on uvloop in one process, which parses the same body and answers a constant.

    python -m benchmarks.baselines.hello SIZE

SIZE is the length of the answer in bytes.
"""

import sys

import msgspec
from aiohttp import web

from benchmarks.baselines.serving import serve


class Body(msgspec.Struct):
    """Rows of numbers, as they are sent to all."""

    instances: list[list[float]]


def make_app(size: int) -> web.Application:
    """`POST /predict` gives `size` bytes of JSON."""
    decoder = msgspec.json.Decoder(Body)
    answer = b'"' + b"x" * (size - 2) + b'"'

    async def predict(request: web.Request) -> web.Response:
        decoder.decode(await request.read())
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.add_routes([web.post("/predict", predict)])
    return app


if __name__ == "__main__":
    serve(make_app(int(sys.argv[1])))

"""A server whose handlers are a test's own, with no models behind it."""

from typing import Any

from aiohttp import web

from server.bodies import body_of
from server.composition import Composition, Current
from server.inference import CURRENT
from server.limits import Limits
from server.load import bound
from server.middleware import TRAFFIC
from server.traffic import Traffic


def modelless(**limits: Any) -> web.Application:
    """What the handlers share, for `server.serving`."""
    app = web.Application()
    bound(app, Limits(**limits))
    app[TRAFFIC] = Traffic()
    app[CURRENT] = Current(Composition({}, ""))
    return app


async def length(request: web.Request) -> web.Response:
    """A handler that says how long the body is."""
    return web.Response(text=str(len(await body_of(request))))

"""The routes."""

from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, web

from server import about, debug, history, inference, probe, switches
from server.composition import Current
from server.errors import problem_response
from server.identity import ulid
from server.inference import CURRENT, LIMITS, Limits
from server.journal import Journal
from server.metrics import REGISTRY, metrics, metrics_registry
from server.middleware import TRAFFIC, around
from server.opening import TIMED
from server.origin import own_name
from server.recording import JOURNAL
from server.traffic import Traffic

Route = tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]

MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"

ROUTES: tuple[Route, ...] = (
    ("GET", "/", about.index),
    ("GET", "/livez", about.live),
    ("GET", "/readyz", about.ready),
    ("GET", "/metrics", metrics),
    ("POST", "/predict", inference.predict),
    ("GET", "/v1/models", about.list_v1),
    ("GET", "/v1/models/{name}", about.model_v1),
    ("POST", "/v1/models/{name}:predict", inference.infer_v1),
    ("GET", "/v2", about.server_v2),
    ("GET", "/v2/health/live", about.live_v2),
    ("GET", "/v2/health/ready", about.ready_v2),
    ("GET", "/v2/models", about.list_v2),
    *(
        route
        for path in (MODEL, VERSION)
        for route in (
            ("GET", path, about.model_v2),
            ("GET", path + "/ready", about.model_ready_v2),
            ("POST", path + "/infer", inference.infer_v2),
        )
    ),
)

DEBUG_ROUTES: tuple[Route, ...] = (
    ("GET", "/debug/backends", debug.backends),
    ("GET", "/debug/backends/{name}", debug.backend),
    ("GET", "/debug/backends/{name}/examples", debug.examples),
    ("POST", "/debug/backends/{name}/predict", probe.predict_alone),
    ("POST", "/debug/backends/{name}/disable", switches.disable),
    ("POST", "/debug/backends/{name}/enable", switches.enable),
    ("GET", "/debug/requests", history.requests),
    ("GET", "/debug/requests/{id}", history.one_request),
)

PRIVATE_ROUTES: tuple[Route, ...] = (
    ("GET", "/debug/backends/{name}", debug.backend),
    ("POST", VERSION + "/infer" + TIMED, probe.infer_timed),
)
"""What a worker has besides, for the front."""


def make_app(current: Current, limits: Limits, *, with_debug: bool) -> web.Application:
    """The application that serves whatever `current` holds."""
    app = web.Application(middlewares=[around], client_max_size=limits.max_body_bytes)
    app[CURRENT] = current
    app[LIMITS] = limits
    app[TRAFFIC] = Traffic()
    app[REGISTRY] = metrics_registry(lambda: current.composition, app[TRAFFIC])
    if with_debug and not limits.private:
        app[JOURNAL] = Journal()
    debugging = [(method, path, own_name(handler)) for method, path, handler in DEBUG_ROUTES] if with_debug else []
    more = list(PRIVATE_ROUTES) if limits.private else debugging
    for method, path, handler in [*ROUTES, *more]:
        app.router.add_route(method, path, handler, expect_handler=_expect)
        if method == "GET":  # load balancers probe with HEAD
            app.router.add_route("HEAD", path, handler, expect_handler=_expect)
    return app


async def _expect(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect: 100-continue`, but not for a body that would be refused."""
    limit = request.app[LIMITS].max_body_bytes
    if request.headers.get("Expect", "").lower() != "100-continue":
        return problem_response(417, "expectation_failed", "only 100-continue can be expected", ulid())
    if request.content_length is not None and request.content_length > limit:
        response = problem_response(413, "content_too_large", f"the body is over {limit} bytes", ulid())
        response.force_close()
        return response
    if request.version >= HttpVersion11 and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None

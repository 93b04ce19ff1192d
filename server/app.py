"""The routes."""

from aiohttp import web

from backends.aside import Aside
from server import about, debug, drilling, fronts, history, inference, load, probe, switches
from server.admission import ADMISSION
from server.aside import ASIDE
from server.composition import Current
from server.fronts import ABOUT, About
from server.inference import CURRENT
from server.journal import Journal
from server.limits import Limits
from server.load import bound
from server.load_metrics import of_load
from server.metrics import REGISTRY, metrics, metrics_registry
from server.middleware import TRAFFIC
from server.origin import own_name
from server.peers import NOBODY, PEERS
from server.recording import JOURNAL
from server.routing import Route
from server.slowness import HUNG_UP
from server.traffic import Traffic

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
    ("GET", "/debug/fronts", fronts.fronts),
    ("GET", "/debug/load", load.load),
    ("GET", "/debug/backends", debug.backends),
    ("GET", "/debug/backends/{name}", debug.backend),
    ("GET", "/debug/backends/{name}/examples", debug.examples),
    ("POST", "/debug/backends/{name}/predict", probe.predict_alone),
    ("POST", "/debug/backends/{name}/disable", switches.disable),
    ("POST", "/debug/backends/{name}/enable", switches.enable),
    ("POST", "/debug/backends/{name}/drill", drilling.begin),
    ("POST", "/debug/backends/{name}/drill/end", drilling.end),
    ("GET", "/debug/drills", drilling.drills),
    ("POST", "/debug/drills/end", drilling.end),
    ("GET", "/debug/requests", history.requests),
    ("GET", "/debug/requests/{id}", history.one_request),
)


def make_app(current: Current, limits: Limits, *, with_debug: bool) -> web.Application:
    """What the handlers share: a typed mapping; `routes_of` it are served by `server.routing`."""
    app = web.Application()
    app[CURRENT] = current
    bound(app, limits, brown_out=lambda: current.composition.brown_out, refusing=current.spare)
    app[ASIDE] = Aside()
    app[TRAFFIC] = Traffic()
    app[PEERS] = NOBODY
    app[REGISTRY] = metrics_registry(
        lambda: current.composition,
        app[TRAFFIC],
        lambda: _about(app),
        lambda: of_load(app[ADMISSION], app[HUNG_UP]),
    )
    if with_debug:
        app[JOURNAL] = Journal()
    return app


def routes_of(app: web.Application) -> list[Route]:
    """The routes that are there: those for debugging only where there is a journal."""
    debugging = [(method, path, own_name(handler)) for method, path, handler in DEBUG_ROUTES]
    return [*ROUTES, *(debugging if JOURNAL in app else ())]


def _about(app: web.Application) -> About | None:
    """What a front says of itself, once it can."""
    return app[ABOUT]() if ABOUT in app else None

"""The handlers that show what each backend is doing."""

from typing import Any

from aiohttp import web

from backends.served import Served
from server.about import json_response
from server.codecs.outcome import milliseconds
from server.composition import Composition
from server.inference import CURRENT

LEVELS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


async def backends(request: web.Request) -> web.Response:
    """All of them."""
    composition = request.app[CURRENT].composition
    shown = [backend_state(composition, served) for served in composition.served.values()]
    return json_response({"backends": shown})


async def backend(request: web.Request) -> web.Response:
    """One of them."""
    composition = request.app[CURRENT].composition
    return json_response(backend_state(composition, composition.find(request.match_info["name"])))


async def examples(request: web.Request) -> web.Response:
    """Rows to try one of them with, as a request has them."""
    served = request.app[CURRENT].composition.find(request.match_info["name"])
    return json_response({"instances": served.examples})


def backend_state(composition: Composition, served: Served) -> dict[str, Any]:
    """What is known about one backend, for people; latencies of the last answered calls."""
    state, statistics = served.state, served.statistics
    quantiles = statistics.quantiles(tuple(LEVELS.values()))
    shown: dict[str, Any] = {
        "name": served.name,
        "kind": "ensemble" if served.members else "model",
        "state": _phase(composition, served),
        "version": served.version,
        "runtime": served.runtime,
        "in_flight": statistics.in_flight,
        "queued": statistics.queued,
        "asked": statistics.asked,
        "fates": statistics.fates,
        "latency_ms": quantiles and dict(zip(LEVELS, map(milliseconds, quantiles), strict=True)),
        "last_errors": list(statistics.last_errors),
    }
    if served.members:
        return shown | {"members": served.members, "quorum": served.quorum}
    return shown | {"pid": state.pid, "restarts": state.restarts}


def _phase(composition: Composition, served: Served) -> str:
    if not served.state.enabled:
        return "disabled"
    if served.members:
        return "ready" if composition.ready(served) else "no quorum"
    return served.state.phase

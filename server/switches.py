"""The handlers that take a backend out of the vote, and back."""

from typing import Any

from aiohttp import web

from server.about import json_response
from server.composition import Composition
from server.debug import backend_state
from server.inference import CURRENT
from server.origin import same_origin


@same_origin
async def disable(request: web.Request) -> web.Response:
    """Out of the vote at once, until it is enabled or the server starts anew."""
    return _switched(request, enabled=False)


@same_origin
async def enable(request: web.Request) -> web.Response:
    """Back into the vote."""
    return _switched(request, enabled=True)


def _switched(request: web.Request, *, enabled: bool) -> web.Response:
    composition = request.app[CURRENT].composition
    served = composition.find(request.match_info["name"])
    served.state.enabled = enabled
    shown: dict[str, Any] = backend_state(composition, served)
    if not enabled and (without := unanswerable(composition, served.name)):
        shown["warning"] = f"cannot answer until something is enabled or comes back: {', '.join(without)}"
    return json_response(shown)


def unanswerable(composition: Composition, name: str) -> list[str]:
    """The composites with `name` in them, however deep, that cannot answer now."""
    served = composition.served

    def holds(composite: str) -> bool:
        return any(part == name or holds(part) for part in served[composite].parts)

    return [one for one in served if holds(one) and not composition.ready(served[one])]

"""The handlers that take a backend out of the vote of the whole server, and back."""

from collections.abc import Collection
from typing import Any

from aiohttp import web

from server.about import json_response
from server.composition import Composition
from server.debug import shown
from server.inference import CURRENT
from server.origin import same_origin
from server.snapshots import taken
from server.switching import SWITCHING


@same_origin
async def disable(request: web.Request) -> web.Response:
    """Out of the vote at once, until it is enabled or the server starts anew."""
    return await _switched(request, enabled=False)


@same_origin
async def enable(request: web.Request) -> web.Response:
    """Back into the vote."""
    return await _switched(request, enabled=True)


async def _switched(request: web.Request, *, enabled: bool) -> web.Response:
    composition = request.app[CURRENT].composition
    served = composition.find(request.match_info["name"])
    served.state.enabled = enabled  # here at once, whoever else may be slow
    missing = await request.app[SWITCHING].switch(served.name, enabled=enabled)
    answer: dict[str, Any] = shown(taken(composition, served)) | {"missing": missing}
    if not enabled and (without := unanswerable(composition, served.name)):
        answer["warning"] = f"cannot answer until something is enabled or comes back: {', '.join(without)}"
    return json_response(answer)


def unanswerable(composition: Composition, name: str, *, without: Collection[str] = ()) -> list[str]:
    """The composites with `name` in them, however deep, that cannot answer now, or could not `without` some others."""
    served = composition.served

    def holds(composite: str) -> bool:
        return any(part == name or holds(part) for part in served[composite].parts)

    return [one for one in served if holds(one) and not composition.ready(served[one], without=without)]

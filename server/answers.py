"""What a front answers when another front asks."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from server import debug, fronts, history, load, metrics
from server.peers import Answer, Kind
from server.recording import JOURNAL
from server.switching import SWITCHING


def answers_of(app: web.Application) -> Mapping[Kind, Answer]:
    """The answers of the front that serves `app`."""

    async def about(_question: None) -> fronts.About:
        return app[fronts.ABOUT]()

    async def own_load(_question: None) -> load.Load:
        return load.load_of(app)

    async def backends(name: str | None) -> list[Any]:
        return debug.snapshots(app, name)

    async def counters(_question: None) -> bytes:
        return metrics.kept(app)

    async def requests(wanted: dict[str, Any]) -> history.Page:
        return history.page(app, msgspec.convert(wanted, history.Wanted))

    async def request(request_id: str) -> list[history.Told]:
        return history.find(app, request_id)

    answers: dict[Kind, Answer] = {
        Kind.ABOUT: about,
        Kind.BACKENDS: backends,
        Kind.METRICS: counters,
        Kind.TURN: app[SWITCHING].reached,
        Kind.LOAD: own_load,
    }
    if JOURNAL in app:
        answers |= {Kind.REQUESTS: requests, Kind.REQUEST: request}
    return answers
